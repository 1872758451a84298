import assert from "node:assert/strict";
import { after, test } from "node:test";

import {
  assertLargeLettersFit,
  assertNothingSticksOut,
  showState,
  startBrowser,
  waitForText,
} from "./browser.mjs";
import { createPair } from "./pair.mjs";
import { eventually } from "./waiting.mjs";

const FLEET_SIZE = 500;
const SIZES = [
  ["narrow", 320, 640, "dark"],
  ["phone", 360, 780, "light"],
  ["wall", 2560, 1440, "dark"],
];
const ROWS = "#fleet tbody[role=rowgroup] tr[data-id]";

const pair = await createPair({ after });
const browser = await startBrowser(after);
const device = pair.startDevice({ SPOKE_FLEET_SIZE: `${FLEET_SIZE}`, SPOKE_RATE_HZ: "0.5" });
await pair.startGateway();

/** Open the fleet; the gateway answers requests for history after `asked` resolves. */
async function openFleet(t, options, asked) {
  const { page, complaints } = await browser.newPage(t, options);
  await page.addInitScript(noteFlash);
  if (asked) await page.route("**/readings?**", (route) => asked.then(() => route.continue()));
  await page.goto(pair.url);
  await waitForText(page, "bikes-count", /^500 of 500 online$/);
  await page.waitForSelector(ROWS);
  return { page, complaints };
}

function namesOf(page) {
  return page.locator(`${ROWS} .name a`).allInnerTexts();
}

/** In the page: whether a canvas is not empty. */
function isDrawn(canvas) {
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  return context.getImageData(0, 0, copy.width, copy.height).data.some(Boolean);
}

/** In the page: rows with content outside their bounds. */
function overlaps(rows) {
  const bottomOf = (row) => row?.getBoundingClientRect().bottom ?? -Infinity;
  const isWrong = (row) =>
    row.scrollHeight > row.clientHeight + 1 ||
    bottomOf(row.previousElementSibling) > row.getBoundingClientRect().top + 0.5;
  return rows.filter(isWrong).map((row) => row.innerText);
}

/** In the page: items that are only partly visible. */
function cutOff(items) {
  const edge = items[0].parentElement.getBoundingClientRect();
  const isCut = ({ top, bottom, right }) =>
    top < edge.bottom - 0.5 && (bottom > edge.bottom + 0.5 || right > edge.right + 0.5);
  const cut = items.map((item) => [item.innerText, item.getBoundingClientRect().toJSON()]);
  return cut.filter(([, place]) => isCut(place));
}

/** In the page: the rows of the next snapshots, each as `[id, speed]`. */
function watchPictures([rows, count]) {
  const seen = [];
  const look = () =>
    [...document.querySelectorAll(rows)].map(({ dataset, children }) => [
      dataset.id,
      Number(children[2].firstElementChild.textContent),
    ]);
  return new Promise((done) => {
    (function watch() {
      const picture = look();
      if (JSON.stringify(picture) !== JSON.stringify(seen.at(-1))) seen.push(picture);
      if (seen.length < count) requestAnimationFrame(watch);
      else done(seen);
    })();
  });
}

/** In the page, before it loads: note whether it ever shows that there is no bike. */
function noteFlash() {
  const note = () => (window.saidNone ||= document.getElementById("nothing")?.hidden === false);
  const options = { subtree: true, attributes: true, attributeFilter: ["hidden"] };
  new MutationObserver(note).observe(document, options);
}

/** A pixel of an element's dot or background; computed styles do not include forced colours. */
async function pixelOf(page, selector) {
  const { x, y, height } = await page.locator(selector).first().boundingBox();
  const clip = { x: Math.round(x + 4), y: Math.round(y + height / 2), width: 1, height: 1 };
  return (await page.screenshot({ clip })).toString("base64");
}

function topOfList(page) {
  return page.$eval("#fleet", (table) => table.getBoundingClientRect().top + scrollY);
}

test("five hundred bikes, few elements", async (t) => {
  let answer;
  const asked = new Promise((resolve) => (answer = resolve));
  const { page, complaints } = await openFleet(t, {}, asked);
  assert.equal(await page.getAttribute("#fleet", "aria-rowcount"), `${FLEET_SIZE + 1}`);
  assert.deepEqual((await namesOf(page)).slice(0, 2), ["ebike-001", "ebike-002"]);
  const row = page.locator(ROWS).first();
  await eventually("a whole row", async () =>
    /^ebike-001\s.*\s+Online\s+\d+\.\d km\/h\s+\d+ %\s+\d+ W/.test(await row.innerText()),
  );
  assert.equal(await row.locator("canvas.is-loading").evaluate(isDrawn), false); // the whole history
  answer();
  await row.locator("canvas:not(.is-loading)").waitFor();
  await eventually("a sparkline", () => row.locator("canvas").evaluate(isDrawn));
  await waitForText(page, "fastest", /^ebike-\d+ \d+\.\d km\/h$/);
  await showState(page, "fleet");
  const atTop = await page.locator(ROWS).count();
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await eventually("the last bike", async () => (await namesOf(page)).at(-1) === "ebike-500");
  const atEnd = await page.locator(ROWS).count();
  assert.ok(Math.max(atTop, atEnd) < 60, `${atTop} and ${atEnd} rows`);
  assert.deepEqual(complaints, []);
});

test("the order is saved", async (t) => {
  const { page } = await openFleet(t);
  await page.click("th.speed-cell button");
  await page.waitForSelector("th.speed-cell[aria-sort=descending]");
  for (const picture of await page.evaluate(watchPictures, [ROWS, 3])) {
    const speeds = picture.map(([, speed]) => speed);
    assert.deepEqual(
      speeds,
      speeds.toSorted((a, b) => b - a),
    );
  }
  await page.hover(`${ROWS}:nth-child(3)`);
  await page.waitForSelector("#held:not([hidden])");
  const held = await page.evaluate(watchPictures, [ROWS, 2]);
  const orders = new Set(held.map((picture) => picture.map(([id]) => id).join()));
  assert.equal(orders.size, 1);
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    await page.evaluate(() => scrollTo(0, 2_000));
    await page.waitForSelector("#held:not([hidden])");
    const { top, bottom } = await page.$eval("#held", (held) => held.getBoundingClientRect().toJSON());
    assert.ok(top > 0 && bottom < 100, `at ${width} px from ${top} to ${bottom}`);
    await showState(page, `fleet-held-${width}`, ["light"]);
  }
  await page.mouse.move(2, 2);
  await page.waitForSelector("#held[hidden]", { state: "attached" });
  const shown = (await namesOf(page)).join();
  await eventually("another order", async () => (await namesOf(page)).join() !== shown);
  assert.equal(await page.evaluate(() => scrollY), 2_000);
  assert.equal(await page.isHidden("#held"), true);
  await page.reload();
  await page.waitForSelector("th.speed-cell[aria-sort=descending]");
  await page.click("th.speed-cell button");
  await page.waitForSelector("th.speed-cell[aria-sort=ascending]");
});

test("a lost connection moves no row", async (t) => {
  const { page } = await openFleet(t);
  assert.equal(await page.evaluate(() => window.saidNone), false);
  await page.fill("#find", "ebike-20");
  await waitForText(page, "listed", /^10 of 500 bikes match$/);
  await eventually("the count said", async () =>
    /^10 of 500/.test(await page.textContent("#announcer")),
  );
  const top = await topOfList(page);
  await page.click("#disconnect");
  await waitForText(page, "listed", /^Disconnected since [\d:]{8}\. The list shows the last readings received\.$/);
  await page.waitForSelector("#notice:not([hidden])");
  assert.equal(await topOfList(page), top);
  await page.selectOption("#find-state", "online");
  await waitForText(page, "no-match", /^Without a connection to the gateway, this page does not know which bikes are online\.$/);
  await showState(page, "fleet-disconnected");
});

test("the list by keyboard", async (t) => {
  const { page } = await openFleet(t, { viewport: { width: 360, height: 780 } });
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  await page.focus("#find");
  await page.keyboard.type("tandem");
  await waitForText(page, "no-match", /^No bike has “tandem” in its name or model/);
  await page.keyboard.press("Control+A");
  await page.keyboard.type("ebike-20");
  await eventually("the bikes found", async () => (await namesOf(page)).length === 10);
  for (let press = 0; press < 6; press += 1) await page.keyboard.press("Tab");
  assert.equal(await focused(), "ebike-200");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(), "ebike-201");
  await page.keyboard.press("Tab");
  await page.waitForSelector("#scheme:focus"); // the list is one stop for Tab
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await waitForText(page, "bike-id", /^ebike-201$/);
  await page.waitForSelector("#bike-id:focus");
  assert.match(page.url(), /#\/bikes\/ebike-201$/);
  await page.goBack();
  await page.waitForSelector("a[href$=ebike-201]:focus");
  for (const address of ["#/foo", "bikes/zz%20yy"]) {
    await page.goto(`${pair.url}/${address}`);
    await page.waitForURL(`${pair.url}/#/bikes`);
  }
});

test("focus survives scrolling and sorting", async (t) => {
  const { page } = await openFleet(t);
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  const press = async (key, name) => {
    await page.keyboard.press(key);
    assert.equal(await focused(), name);
  };
  await page.focus(`${ROWS} a`);
  await press("End", "ebike-500");
  await press("Home", "ebike-001");
  await press("PageDown", "ebike-015");
  await page.mouse.wheel(0, 9_000);
  await eventually("far rows", async () => (await namesOf(page)).includes("ebike-170"));
  assert.equal(await focused(), "ebike-015");
  await showState(page, "fleet-focus-far", ["light"]);
  await page.evaluate(() => scrollTo(0, 5_000));
  await page.click("a[href$=ebike-090]");
  await page.waitForSelector("#bike-id:focus");
  assert.equal(await page.evaluate(() => scrollY), 0);
  await page.click(".back");
  await page.waitForSelector("a[href$=ebike-090]:focus");
  assert.equal(await page.evaluate(() => scrollY), 5_000);
  await page.click("th.speed-cell button");
  await page.click("#fastest a");
  await page.waitForSelector("#bike-id:focus");
  await page.click(".back");
  await page.waitForSelector("#fleet-title:focus"); // not the bike's row, which is far down
  assert.equal(await page.evaluate(() => scrollY), 0);
  await page.click(`${ROWS} a`);
  await page.click(".back"); // after a click the order changes, and takes the focus along
  await page.waitForSelector(`${ROWS} a:focus`);
  const [name, order] = [await focused(), (await namesOf(page)).join()];
  await page.hover("#fleet-title");
  await eventually("another order", async () => (await namesOf(page)).join() !== order);
  assert.equal(await focused(), name);
});

test("the fleet fits every screen", async (t) => {
  const { page } = await openFleet(t);
  for (const [name, width, height, scheme] of SIZES) {
    await page.setViewportSize({ width, height });
    await assertNothingSticksOut(page);
    await showState(page, `fleet-${name}`, [scheme]);
  }
  await assertLargeLettersFit(page);
  await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await eventually("the last bike", async () => (await namesOf(page)).at(-1) === "ebike-500");
  assert.deepEqual(await page.$$eval(ROWS, overlaps), []);
  await page.evaluate(() => (document.documentElement.style.fontSize = ""));
  await page.selectOption("#find-state", "offline");
  await waitForText(page, "no-match", /^No bike is offline\.$/);
  await page.selectOption("#find-state", "all");
  const top = await topOfList(page);
  await device.stop("SIGKILL");
  await waitForText(page, "bikes-count", /^0 of 500 online$/);
  await waitForText(page, "fastest", /^–$/);
  await waitForText(page, "changes", /(ebike-\d+, ){2}ebike-\d+ and \d+ more\s+offline/);
  assert.equal(await topOfList(page), top);
  await page.setViewportSize({ width: 390, height: 844 });
  await showState(page, "fleet-gone-phone", ["light"]);
  assert.deepEqual(await page.$$eval("#changes li", cutOff), []);
  await page.selectOption("#find-state", "offline");
  await eventually("the offline bikes", async () => (await namesOf(page))[0] === "ebike-001");
  await page.reload();
  const row = page.locator(ROWS).first();
  await eventually("since when", async () => /Offline since [\d:]{8}/.test(await row.textContent()));
  await eventually("its last speeds", () => row.locator("canvas").evaluate(isDrawn));
  await showState(page, "fleet-offline");
  await page.emulateMedia({ forcedColors: "active" });
  await page.setViewportSize({ width: 1280, height: 900 });
  const [chosen, other] = ["#units :checked + span", "#units input:not(:checked) + span"];
  assert.notEqual(await pixelOf(page, chosen), await pixelOf(page, other));
  assert.notEqual(await pixelOf(page, "#link"), await pixelOf(page, `${ROWS} .state`));
  await showState(page, "fleet-forced-colours", ["dark"]);
});
