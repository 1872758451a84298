/**
 * Take the README's pictures of the dashboard from a running Spoke with a few bikes:
 *
 *   SPOKE_FLEET_SIZE=12 scripts/start
 *   npm run screenshot [URL] [FOLDER]
 */

import { join } from "node:path";

import { eventually } from "../tests/browser/waiting.mjs";
import { launchChromium } from "./chromium.mjs";

const [url = "http://localhost:5000/", folder = "docs/images"] = process.argv.slice(2);
const RIDE_MS = 180_000; // a line worth looking at
const SPEED_MIN_KMH = 15; // at a red light the picture would show nothing moving
const WAIT_MS = 600_000;

const browser = await launchChromium();
try {
  await takeBike();
  await takeFleet(); // last, when the small pictures have something to show
} catch (error) {
  console.error(`screenshot: ${url} cannot be pictured: ${error.message.split("\n")[0]}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function takeFleet() {
  const page = await browser.newPage({
    viewport: { width: 1100, height: 720 },
    colorScheme: "light",
  });
  await page.goto(new URL("#/bikes", url).href);
  await page.click("th.speed-cell button");
  await page.waitForFunction(() => document.querySelectorAll("#fleet canvas").length > 8);
  await page.mouse.move(0, 0);
  await page.waitForTimeout(4_000); // the small pictures are fetched one after the other
  await page.waitForFunction(isInOrder);
  await save(page, "dashboard-fleet.png");
}

async function takeBike() {
  const page = await browser.newPage({
    viewport: { width: 1280, height: 860 },
    colorScheme: "dark",
  });
  await page.goto(new URL("#/bikes/ebike-001", url).href);
  await eventually("a ride", () => page.evaluate(isWorthIt, [RIDE_MS, SPEED_MIN_KMH]), WAIT_MS);
  await save(page, "dashboard.png");
}

/** Runs in the page: whether the bikes are sorted by their current speed. */
function isInOrder() {
  const speeds = [...document.querySelectorAll("#fleet .speed-cell .figure")].map((it) => parseFloat(it.innerText));
  return speeds.length > 8 && speeds.every((it, row) => row === 0 || it <= speeds[row - 1]);
}

/** Runs in the page: whether the ride is long enough, the bike moves, and the page is settled. */
async function isWorthIt([ride_ms, speed_min_kmh]) {
  const from_ms = Date.now() - ride_ms;
  const then = new URLSearchParams({ from_ms, to_ms: from_ms + 1_000 });
  const answer = await fetch(`/api/v1/devices/ebike-001/readings?${then}`);
  const isLong = (await answer.json()).readings.length > 0;
  const speed = Number(document.getElementById("speed").textContent);
  const isSettled = document.getElementById("received").textContent.length > 2;
  return isSettled && isLong && speed > speed_min_kmh;
}

async function save(page, name) {
  const file = join(folder, name);
  await page.screenshot({ path: file });
  console.log(`screenshot: ${file}`);
}
