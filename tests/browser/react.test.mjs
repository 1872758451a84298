/** The React example, built unchanged and served from its own origin. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { showState, startBrowser } from "./browser.mjs";
import { startOrigin } from "./origin.mjs";
import { createPair } from "./pair.mjs";
import { ROOT } from "./processes.mjs";

const APP = join(ROOT, "examples", "react");

const browser = await startBrowser(after);
const built = buildApp();
const origin = await startOrigin({ after }, { files: built });

/** Build into a temporary folder; its files by path. */
function buildApp() {
  const folder = mkdtempSync(join(tmpdir(), "spoke-react-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const command = ["run", "build", "--", "--outDir", folder, "--emptyOutDir"];
  const { status, stdout, stderr } = spawnSync("npm", command, { cwd: APP, encoding: "utf8" });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  const assets = readdirSync(join(folder, "assets"));
  const files = assets.map((name) => [`/assets/${name}`, join(folder, "assets", name)]);
  return { "/": join(folder, "index.html"), ...Object.fromEntries(files) };
}

async function openApp(t, url, from = origin) {
  const opened = await browser.newPage(t);
  await opened.page.goto(`${from}/?gateway=${url}`);
  return opened;
}

/** Wait until the app shows this text about its gateway. */
async function waitForLink(page, text) {
  await page.waitForFunction(
    (wanted) => document.querySelector("[role=status]")?.textContent.includes(wanted),
    text,
  );
}

/** Wait until a bike's card counts this many readings, and none lost. */
async function waitForReadings(page, least) {
  await page.waitForFunction((count) => {
    const tally = document.querySelector(".tally")?.textContent ?? "";
    return tally.endsWith(", 0 lost") && parseInt(tally) >= count;
  }, least);
}

test("a listed origin is streamed to", async (t) => {
  const pair = await createPair(t);
  pair.startDevice({ SPOKE_FLEET_SIZE: "3" });
  await pair.startGateway({ SPOKE_CORS_ORIGINS: origin });
  const { page, complaints } = await openApp(t, pair.url);
  await waitForLink(page, `Live from ${pair.url}`);
  await waitForReadings(page, 20);
  assert.deepEqual(await page.locator("h2").allInnerTexts(), ["ebike-001", "ebike-002", "ebike-003"]);
  assert.match(await page.locator(".speed").first().innerText(), /^\d+\.\d km\/h$/);
  await showState(page, "react");
  assert.deepEqual(complaints, []);
});

test("an unlisted origin is refused", async (t) => {
  const pair = await createPair(t);
  pair.startDevice();
  await pair.startGateway({ SPOKE_CORS_ORIGINS: "http://localhost:5173" });
  const { page } = await openApp(t, pair.url);
  await waitForLink(page, `refuses this page. Start it with SPOKE_CORS_ORIGINS=${origin}`);
  assert.equal(await page.locator("li").count(), 0);
  await showState(page, "react-refused");
});

test("a killed gateway loses nothing", async (t) => {
  const pair = await createPair(t);
  pair.startDevice();
  const { page } = await openApp(t, pair.url);
  await waitForLink(page, "Nothing answers");
  const gateway = await pair.startGateway({ SPOKE_CORS_ORIGINS: origin });
  await waitForLink(page, "Live from");
  await waitForReadings(page, 10);
  await gateway.stop("SIGKILL");
  await waitForLink(page, "Nothing answers");
  await pair.startGateway({ SPOKE_CORS_ORIGINS: origin });
  await waitForLink(page, "Live from");
  await waitForReadings(page, 40);
});
