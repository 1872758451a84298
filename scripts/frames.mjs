/**
 * Measure the frame rate of the dashboard and the growth of its memory:
 *
 *   node scripts/frames.mjs [--minutes 10] [--bikes 1] [--rate 1000]
 *
 * One bike opens the page of a bike, several open the fleet. Exits with 1 if half a minute had fewer
 * than 50 frames per second, or if the heap grew by more than 2 MB after the first minute.
 */

import { parseArgs } from "node:util";

import { createPair } from "../tests/browser/pair.mjs";
import { eventually } from "../tests/browser/waiting.mjs";
import { launchChromium } from "./chromium.mjs";

const FRAMES_MIN = 50; // a second; screens show 60
const GROWTH_MAX_MB = 2; // older rows: four a second of some 400 bytes, until 30,000 are held
const SLICE_S = 30;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    bikes: { type: "string", default: "1" },
    rate: { type: "string", default: "1000" },
  },
});
const [minutes, bikes, rate] = [values.minutes, values.bikes, values.rate].map(Number);
const endings = [];
process.exitCode = 1; // until all checks have passed
try {
  process.exitCode = (await measure()) ? 0 : 1;
} finally {
  for (const end of endings.reverse()) await end();
}

async function measure() {
  const page = await openDashboard();
  const session = await page.context().newCDPSession(page);
  console.log(
    `${bikes} bike(s) at ${rate} Hz, ${minutes} min\n  time   frames/s   worst frame   heap`,
  );
  const slices = [];
  for (let at_s = SLICE_S; at_s <= minutes * 60; at_s += SLICE_S) {
    const slice = { ...(await countFrames(page)), heap_mb: await heapOf(session) };
    slices.push(slice);
    console.log(describe(at_s, slice));
  }
  return judge(slices);
}

async function openDashboard() {
  const scope = { after: (end) => endings.push(end) };
  const pair = await createPair(scope);
  const browser = await launchChromium();
  scope.after(() => browser.close());
  pair.startDevice({ SPOKE_RATE_HZ: `${rate}`, SPOKE_FLEET_SIZE: `${bikes}` });
  await pair.startGateway();
  await eventually("all bikes", async () => (await countBikes(pair.url)) === bikes);
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.addInitScript(noteFirstReading);
  await page.goto(pair.url);
  const first_ms = await (await page.waitForFunction(() => window.firstReading_ms)).jsonValue();
  console.log(`first reading on screen ${Math.round(first_ms)} ms after the page was asked for`);
  return page;
}

/** In the page: note when the first speed stands in it. */
function noteFirstReading() {
  const observer = new MutationObserver(() => {
    const speeds = [...document.querySelectorAll("#speed, .figure")];
    if (!speeds.some(({ textContent }) => /\d/.test(textContent))) return;
    window.firstReading_ms = performance.now();
    observer.disconnect();
  });
  observer.observe(document, { subtree: true, childList: true, characterData: true });
}

async function countBikes(url) {
  const { devices } = await (await fetch(`${url}/api/v1/devices`)).json();
  return devices.filter(({ latest }) => latest).length;
}

/** Count the frames of a slice of time; the worst is the longest pause between two of them. */
function countFrames(page) {
  return page.evaluate(
    (slice_ms) =>
      new Promise((tell) => {
        const began_ms = performance.now();
        let [frames, last_ms, worst_ms] = [0, began_ms, 0];
        function count(now_ms) {
          frames += 1;
          worst_ms = Math.max(worst_ms, now_ms - last_ms);
          last_ms = now_ms;
          if (now_ms - began_ms < slice_ms) requestAnimationFrame(count);
          else tell({ frames_s: (frames * 1000) / (now_ms - began_ms), worst_ms });
        }
        requestAnimationFrame(count);
      }),
    SLICE_S * 1000,
  );
}

/** The memory in use after everything that can be freed was freed. */
async function heapOf(session) {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  return usedSize / 1024 / 1024;
}

function describe(at_s, { frames_s, worst_ms, heap_mb }) {
  const columns = [
    `${at_s} s`,
    frames_s.toFixed(1),
    `${Math.round(worst_ms)} ms`,
    `${heap_mb.toFixed(1)} MB`,
  ];
  return [6, 11, 14, 10].map((width, place) => columns[place].padStart(width)).join("");
}

function judge(slices) {
  const settled = slices.slice(60 / SLICE_S - 1);
  const slowest = Math.min(...slices.map(({ frames_s }) => frames_s));
  const growth_mb = settled.length > 1 ? settled.at(-1).heap_mb - settled[0].heap_mb : 0;
  console.log(
    `slowest ${slowest.toFixed(1)} frames/s; the heap grew by ${growth_mb.toFixed(1)} MB`,
  );
  return slowest >= FRAMES_MIN && growth_mb <= GROWTH_MAX_MB;
}
