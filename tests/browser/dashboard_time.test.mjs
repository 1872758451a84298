import assert from "node:assert/strict";
import { after, test } from "node:test";

import { download, showState, startBrowser, waitForSeq, waitForText } from "./browser.mjs";
import { createPair, newestSeq } from "./pair.mjs";
import { eventually } from "./waiting.mjs";

const BIKE = "ebike-001";

const pair = await createPair({ after });
const browser = await startBrowser(after);
pair.startDevice({ SPOKE_RATE_HZ: "400" });
await pair.startGateway();
await rideUntil(1_600); // more readings than the page loads for the charts

/** Wait until the bike has sent this many readings. */
function rideUntil(seq) {
  return eventually(`reading ${seq}`, async () => (await newestSeq(pair.url, BIKE)) > seq);
}

async function openBike(t, options) {
  const { page, complaints } = await browser.newPage(t, options);
  let answer;
  const asked = new Promise((resolve) => (answer = resolve));
  await page.route("**/readings?**", (route) => asked.then(() => route.continue()));
  await page.goto(`${pair.url}/#/bikes/${BIKE}`);
  await waitForSeq(page, 1);
  await waitForText(page, "missing", /^Loading earlier readings…$/);
  answer();
  await waitForText(page, "missing", /^Recording started at \d\d:\d\d:\d\d$/);
  return { page, complaints };
}

/** The times of the first chart, from its name for screen readers. */
function describeChart(page) {
  return page.getAttribute(".chart-speed .plot", "aria-label");
}

/** Zoom in to the limit, once there is enough history to move in. */
async function zoomIn(page) {
  await rideUntil(3_200);
  for (let i = 0; i < 6; i += 1) await page.click("#zoom-in");
  await waitForText(page, "missing", /^$/);
}

/** The sequence numbers in a CSV file; every reading must be there once. */
function seqsOf({ text }) {
  const [header, ...lines] = text.trimEnd().split("\r\n");
  const place = header.split(",").indexOf("seq");
  const seqs = lines.map((line) => Number(line.split(",")[place]));
  assert.deepEqual(
    seqs,
    seqs.map((_, line) => seqs[0] + line),
  );
  return seqs;
}

test("history is loaded and downloaded", async (t) => {
  const { page, complaints } = await openBike(t);
  const first = Number((await page.textContent("#first")).split("-")[1]);
  const shown = await download(page, "#csv-view");
  const seqs = seqsOf(shown);
  assert.ok(seqs[0] === 1 && first > 100, `begins at ${seqs[0]}, the page at ${first}`);
  assert.ok(seqs.at(-1) > first, `ends at ${seqs.at(-1)}`);
  const time = String.raw`\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ`;
  assert.match(shown.name, new RegExp(`^${BIKE}_${time}_to_${time}\\.csv$`));
  assert.match(shown.text, /^time_utc,v,.*\r\n\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,/);
  await waitForText(page, "saving", /^Saved ebike-001_.*csv: [\d,]+ readings$/);
  assert.deepEqual(complaints, []);
});

test("download of history and of view", async (t) => {
  const { page } = await openBike(t);
  const all = seqsOf(await download(page, "#csv-all"));
  assert.ok(all[0] === 1 && all.length > 1_600);
  await waitForText(page, "saving", /^Saved/);
  await zoomIn(page);
  assert.equal(await page.isVisible("#saving"), false, "what was said of another range");
  const shown = seqsOf(await download(page, "#csv-view"));
  assert.ok(shown[0] > 1 && shown.at(-1) > all.at(-1), `${shown[0]} to ${shown.at(-1)}`);
});

test("buttons of the charts", async (t) => {
  const { page } = await openBike(t);
  await page.check("input[name=window][value='600']");
  await zoomIn(page);
  assert.equal(await page.locator("input[name=window]:checked").count(), 0);
  assert.equal(await page.getAttribute("#follow", "aria-pressed"), "false");
  await page.click("#earlier");
  await waitForText(page, "follow", /^Back to latest$/);
  await showState(page, "history");
  await page.click("#follow");
  await waitForText(page, "follow", /^Latest$/);
  assert.equal(await page.inputValue("input[name=window]:checked"), "600");
  await page.reload();
  await waitForSeq(page, 1);
  assert.equal(await page.inputValue("input[name=window]:checked"), "600");
});

test("the charts by mouse", async (t) => {
  const { page } = await openBike(t);
  const box = await page.locator(".chart-speed .u-over").boundingBox();
  await page.mouse.move(box.x + box.width - 5, box.y + 20); // the ride has just begun
  await waitForText(page, "pointed", /^at \d\d:\d\d:\d\d\.\d$/);
  const drag = async (from, to) => {
    await page.mouse.move(box.x + from, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + to, box.y + 20);
    await page.mouse.up();
  };
  await drag(10, box.width); // the whole ride is visible already
  await waitForText(page, "follow", /^Latest$/);
  await zoomIn(page);
  await eventually("the first reading kept", async () => {
    await drag(10, box.width);
    return /^Recording started/.test(await page.innerText("#missing"));
  });
  for (let i = 0; i < 5; i += 1) await drag(10, box.width); // no move leads further
  await waitForText(page, "follow", /^Back to latest$/);
  await waitForText(page, "charts", /Speed, km\/h\s*\d/);
  await page.mouse.move(box.x + 2, box.y + 20);
  await waitForText(page, "charts", /Speed, km\/h\s*–/);
  await page.mouse.dblclick(box.x + box.width / 2, box.y + 20);
  await waitForText(page, "follow", /^Latest$/);
  await page.keyboard.down("Control");
  await page.mouse.wheel(0, -300);
  await page.keyboard.up("Control");
  await eventually(
    "no window of those offered",
    async () => (await page.locator("input[name=window]:checked").count()) === 0,
  );
});

test("the charts by keyboard", async (t) => {
  const { page } = await openBike(t);
  await page.focus("#charts-panel");
  await page.keyboard.press("ArrowLeft");
  await waitForText(page, "pointed", /^at \d\d:\d\d:\d\d\.\d$/);
  await eventually("the values said", async () =>
    /^\d\d:\d\d:\d\d\.\d: Speed \d+\.\d, Rider \d+, Motor/.test(await page.textContent("#announcer")),
  );
  await zoomIn(page);
  await page.focus("#charts-panel");
  await page.keyboard.press("Shift+ArrowLeft");
  await waitForText(page, "follow", /^Back to latest$/);
  const heard = (pattern) =>
    eventually(`${pattern}`, async () => pattern.test(await page.textContent("#announcer")));
  await heard(/^Showing 5 s, from \d\d:\d\d:\d\d to \d\d:\d\d:\d\d/);
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  assert.match(await describeChart(page), /^Speed, km\/h, 5 s to /);
  await page.keyboard.press("End");
  await waitForText(page, "follow", /^Latest$/);
  await heard(/^Showing the latest \d+ s/);
  await page.keyboard.press("Escape");
  await waitForText(page, "pointed", /^$/);
});

test("names of the charts", async (t) => {
  const { page } = await openBike(t);
  await eventually("words", async () =>
    /^Speed, km\/h, .* to \d\d:\d\d:\d\d: from/.test(await describeChart(page)),
  );
});

test("forced colours", async (t) => {
  const { page } = await openBike(t, { forcedColors: "active", colorScheme: "dark" });
  const grounds = await page.$$eval("#windows :checked + span, #levels [aria-current]", (found) =>
    found.map((element) => getComputedStyle(element).backgroundColor),
  );
  assert.equal(new Set(grounds).size, 1);
  const highlight = grounds[0].match(/\d+/g).slice(0, 3).map(Number);
  await eventually("a line in the colour of what is chosen", () =>
    page.evaluate(colourIsIn, [".chart-speed canvas", highlight]),
  );
  await showState(page, "forced-colours");
});

/** Whether a canvas contains a pixel of about this colour. */
function colourIsIn([selector, colour]) {
  const canvas = document.querySelector(selector);
  if (!canvas) return false;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const isNear = (_value, i) =>
    i % 4 === 0 && data[i + 3] > 99 && colour.every((own, k) => Math.abs(own - data[i + k]) < 9);
  return data.some(isNear);
}

test("odd bikes", async (t) => {
  const odd = await createPair(t);
  odd.startPublisher("tests.browser.odd_bike");
  await odd.startGateway();
  const { page } = await browser.newPage(t);
  await page.goto(`${odd.url}/#/bikes/clock-7`);
  await waitForText(page, "clock", /^The bike's clock is 1 h 0 min behind yours/);
  await waitForText(page, "latency", /^\d+ ms \(worst \d+ ms\)$/);
  await waitForText(page, "lag", /^\d+ ms$/);
  await waitForText(page, "cut-off", /^EU cut-off: no motor above 25 km\/h$/);
  await waitForText(page, "charts", /tyre_bar[^]*4.2/);
  await waitForText(page, "values", /mood[^]*good[^]*101,33\d[^]*e-7/);
  const axes = () => page.$$eval(".u-axis", (all) => all.map((it) => it.offsetWidth).filter((it) => it < 200));
  await eventually("one width of all axes, with room for six digits", async () => {
    const widths = (await axes()).filter((width) => width > 0);
    return new Set(widths).size === 1 && widths[0] > 48;
  });
  assert.equal(await page.textContent("#levels [aria-current]"), "tour");
  await showState(page, "clock-and-cut-off");
  const scale = () => page.$$eval(".gauge-word", (words) => words.map((word) => word.textContent).join());
  assert.equal(await scale(), "0,10,20,30,40,50");
  await page.goto(`${odd.url}/#/bikes/downhill-9`);
  await waitForText(page, "speed", /^61.0$/);
  await waitForText(page, "speed", /^12.0$/);
  assert.equal(await scale(), "0,15,30,45,60,75");
  await showState(page, "downhill", ["light"]);
  await page.goto(`${odd.url}/#/bikes/slow-4`);
  await waitForText(page, "arrival", /^Readings arrive immediately, about one every (2|1\.9|2\.1) s\. None is missing\.$/);
  await page.goto(`${odd.url}/#/bikes/version-2`);
  await waitForText(page, "bike-state", /^Refused$/);
  await waitForText(page, "bike-notice", /another version of the protocol. Update the bike/);
  await showState(page, "refused");
});
