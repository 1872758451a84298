import assert from "node:assert/strict";
import { after, test } from "node:test";

import {
  assertLargeLettersFit,
  assertNothingSticksOut,
  readTally,
  showState,
  startBrowser,
  waitForSeq,
  waitForText,
} from "./browser.mjs";
import { createPair, newestSeq } from "./pair.mjs";
import { startSlowProxy } from "./slow_proxy.mjs";
import { eventually } from "./waiting.mjs";

const BIKE = "ebike-001";
const SIZES = [
  ["narrow", 320, 640, "dark"], // WCAG 2.2, 1.4.10: also 1280 px at a zoom of 4
  ["phone", 360, 780, "light"],
  ["wall", 2560, 1440, "dark"],
];

/** One gateway and one bike for the tests that stop neither; the others start their own. */
const shared = await createPair({ after });
const browser = await startBrowser(after);
shared.startDevice();
await shared.startGateway();

async function openShared(t, options) {
  return openBike(t, shared.url, options);
}

async function openBike(t, url, options) {
  const opened = await browser.newPage(t, options);
  await opened.page.goto(`${url}/#/bikes/${BIKE}`);
  await waitForSeq(opened.page, 1);
  return opened;
}

/** Assert that every number from the first to the last arrived once. */
async function assertNothingMissing(page) {
  const { received, first, last, gaps } = await readTally(page);
  assert.equal(gaps, "none");
  assert.equal(received, last - first + 1);
}

/** Assert that gauge and charts show the last reading of an offline bike. */
function assertLastReadingShown(page) {
  return eventually("the last reading, in grey", async () => {
    const colours = await page.$$eval("#speed, #cut-off, .chart-speed .value b", (all) =>
      all.map((one) => getComputedStyle(one).color),
    );
    const shown = await page.$$eval("#speed, .chart .value b", (all) => all.map((one) => one.textContent));
    const isGrey = new Set(colours).size === 1;
    return isGrey && shown.length > 5 && !shown.includes("–") && shown[0] === shown[1];
  });
}

test("one bike, live and complete", async (t) => {
  const { page, complaints } = await browser.newPage(t);
  const policy = (await page.goto(shared.url)).headers()["content-security-policy"];
  for (const kind of ["script", "style"])
    assert.match(policy, new RegExp(`${kind}-src 'self'(;|$)`));
  await waitForText(page, "link", /^Connected$/);
  await waitForText(page, "bike-id", /^ebike-001$/);
  await waitForText(page, "bike-state", /^Online$/);
  await waitForText(page, "speed", /^\d+\.\d$/);
  const before = await page.locator("#speed").innerText();
  await eventually("another speed", async () => (await page.innerText("#speed")) !== before);
  await waitForText(
    page,
    "charts",
    /Speed, km\/h[^]*Power, W[^]*Cadence, rpm[^]*Battery, %[^]*Altitude, m/,
  );
  await page.waitForSelector("#charts .chart-speed canvas");
  await waitForText(page, "arrival", /^Readings arrive .*, about \d+ per second\. None is missing.$/);
  await page.click("summary");
  await waitForText(page, "rate", /^\d+ per second$/);
  await waitForText(page, "latency", /^\d+ ms \(worst \d+ ms\)$/);
  await waitForText(page, "reconnects", /^none$/);
  await assertNothingMissing(page);
  const assist = await page.textContent("#levels [aria-current]");
  assert.equal(await page.getAttribute("#levels", "aria-label"), `Assist mode: ${assist}`);
  await showState(page, "bike");
  assert.deepEqual(complaints, []);
});

test("disconnect and connect lose nothing", async (t) => {
  const { page } = await openShared(t);
  await page.click("#disconnect");
  await waitForText(page, "link", /^Disconnected$/);
  await waitForText(page, "notice", /You disconnected/);
  await waitForText(page, "bike-state", /^Unknown$/);
  const stopped = await readTally(page);
  const later = stopped.last + 20;
  await eventually("readings not shown", async () => (await newestSeq(shared.url, BIKE)) > later);
  assert.deepEqual(await readTally(page), stopped);
  await showState(page, "disconnected");
  await page.click("#connect");
  await waitForSeq(page, later);
  await waitForText(page, "link", /^Connected$/);
  await waitForText(page, "reconnects", /^1$/);
  await assertNothingMissing(page);
});

test("opening without a gateway", async (t) => {
  const { page } = await browser.newPage(t);
  await page.route("**/socket.io/**", (route) => route.abort());
  await page.goto(shared.url);
  await waitForText(page, "link", /^Reconnecting/);
  await waitForText(page, "notice", /gateway does not answer/);
  await waitForText(page, "listed", /^The gateway does not answer\. This page does not know yet which bikes there are/);
  await page.goto(`${shared.url}/#/bikes/${BIKE}`);
  await waitForText(page, "not-here", /readings of ebike-001 will appear here when the gateway answers/);
  await page.click("#disconnect");
  await waitForText(page, "not-here", /To see the readings of ebike-001, connect to the gateway/);
  assert.equal(await page.isVisible("#notice"), false, "the card shows the same text");
  await showState(page, "opened-disconnected", ["light"]);
  await page.unroute("**/socket.io/**");
  await page.click("#connect-here");
  await waitForText(page, "link", /^Connected$/);
  await page.waitForSelector("#bike-id:focus");
  await waitForSeq(page, 1);
  assert.equal(await page.isVisible("#not-here"), false);
});

test("focus and announcements of the buttons", async (t) => {
  const { page } = await openShared(t);
  const live = "[role=status], [role=alert], [role=log], [aria-live]";
  const ids = await page.$$eval(live, (found) => found.map(({ id }) => id));
  assert.deepEqual(ids, ["announcer", "announced"]);
  assert.equal(await page.getAttribute("#meter", "role"), "meter");
  assert.match(await page.getAttribute("#meter", "aria-valuetext"), /^\d+\.\d km\/h$/);
  await page.focus("#disconnect");
  await page.keyboard.press("Enter");
  await waitForText(page, "link", /^Disconnected$/);
  await page.waitForSelector("#connect:focus");
  const heard = () => page.textContent("#announcer");
  await eventually("the disconnection", async () => /You disconnected/.test(await heard()));
  await page.keyboard.press("Enter");
  await waitForText(page, "link", /^Connected$/);
  assert.equal(await page.locator("#disconnect:focus").count(), 1);
});

test("unit and appearance are saved", async (t) => {
  const { page } = await openShared(t, { colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await ground(), "rgb(13, 17, 18)");
  await page.selectOption("#scheme", "light");
  assert.equal(await ground(), "rgb(244, 245, 245)");
  await page.check("input[value=mph]");
  await waitForText(page, "speed-unit", /^mph$/);
  await waitForText(page, "charts", /Speed, mph/);
  await waitForText(page, "cut-off", /15.5 mph/);
  assert.equal(await page.textContent(".gauge-limit-word"), "15.5");
  await page.reload();
  await waitForText(page, "speed-unit", /^mph$/);
  assert.equal(await ground(), "rgb(244, 245, 245)");
});

test("the bike fits every screen", async (t) => {
  const { page } = await openShared(t);
  for (const [name, width, height, scheme] of SIZES) {
    await page.setViewportSize({ width, height });
    await assertNothingSticksOut(page);
    await showState(page, `bike-${name}`, [scheme]);
  }
  await assertLargeLettersFit(page);
  await page.setViewportSize({ width: 390, height: 800 });
  await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
  await eventually("charts as wide as a phone lets them be", () => page.evaluate(areChartsWide));
  await page.locator(".chart-power").scrollIntoViewIfNeeded();
  await showState(page, "bike-large-letters", ["light"]);
});

/** Whether titles are complete and charts use more than half of the page. */
function areChartsWide() {
  const isWhole = ({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth;
  const plots = [...document.querySelectorAll(".u-over")];
  const isWide = (plot) => plot.clientWidth > innerWidth / 2;
  return plots.length > 4 && plots.every(isWide) && [...document.querySelectorAll(".chart-title")].every(isWhole);
}

test("a page without JavaScript", async (t) => {
  const { page } = await browser.newPage(t, { javaScriptEnabled: false });
  await page.goto(shared.url);
  assert.match(await page.innerText("body"), /This page needs JavaScript/);
});

test("a slow connection catches up", async (t) => {
  const proxy = await startSlowProxy(t, shared.url, 400_000);
  const { page } = await openBike(t, proxy.url);
  proxy.speed.bytes_s = 2_000; // a third of the bike's data
  await waitForText(page, "lag", /^[1-9]\.\d s$/);
  await waitForText(page, "latency", /\d s/);
  await showState(page, "throttled");
  proxy.speed.bytes_s = 400_000;
  await waitForText(page, "lag", /^\d{1,3} ms$/);
  await assertNothingMissing(page);
});

test("killed gateway, then dead bike", async (t) => {
  const pair = await createPair(t);
  const bike = pair.startDevice();
  const gateway = await pair.startGateway();
  const { page } = await openBike(t, pair.url);
  await gateway.stop("SIGKILL");
  await waitForText(page, "link", /^Reconnecting/);
  await waitForText(page, "notice", /gateway does not answer/);
  await waitForText(page, "bike-state", /^Unknown$/);
  assert.match(await page.title(), /^Reconnecting/);
  await page.click("#csv-all");
  await waitForText(page, "saving", /^No file was saved: the gateway does not answer/);
  await showState(page, "gateway-down");
  const { last } = await readTally(page);
  await pair.startGateway();
  await waitForText(page, "link", /^Connected$/);
  await waitForText(page, "bike-state", /^Online$/);
  await waitForSeq(page, last + 20);
  await assertNothingMissing(page);
  await bike.stop("SIGKILL");
  await waitForText(page, "bike-state", /^Offline$/);
  assert.match(await page.textContent("#arrival"), /: the bike is offline\.$/);
  await waitForText(page, "bike-notice", /ebike-001 is offline/);
  await waitForText(page, "speed", /^\d+\.\d$/);
  await assertLastReadingShown(page);
  assert.equal(await page.title(), "ebike-001 offline – Spoke");
  await showState(page, "device-offline");
  await page.click(".back");
  await waitForText(page, "bikes-count", /^0 of 1 online$/);
  await waitForText(page, "changes", /ebike-001\s+offline/);
  await page.reload();
  await page.click("text=ebike-001");
  await waitForText(page, "bike-state", /^Offline$/);
  await assertLastReadingShown(page);
  await showState(page, "device-offline-opened");
});

test("a thousand readings a second", async (t) => {
  const pair = await createPair(t);
  pair.startDevice({ SPOKE_RATE_HZ: "1000" });
  await pair.startGateway({ SPOKE_HISTORY_READINGS: "50" });
  const { page } = await openBike(t, pair.url);
  await page.waitForSelector("#charts .chart-altitude canvas");
  const size = () => page.evaluate(() => document.querySelectorAll("*").length);
  const before = await size();
  const from = (await readTally(page)).last;
  await waitForSeq(page, from + 1_000);
  assert.equal(await size(), before);
  await page.click("#disconnect");
  await waitForText(page, "link", /^Disconnected$/);
  const later = (await readTally(page)).last + 300;
  await eventually("readings not shown", async () => (await newestSeq(pair.url, BIKE)) > later);
  await page.click("#connect");
  await waitForSeq(page, later);
  await waitForText(page, "gaps", /lost/);
  const { received, lost, first, last } = await readTally(page);
  assert.ok(lost > 0, "nothing was lost");
  assert.equal(received + lost, last - first + 1);
  await showState(page, "gap");
});

test("an unheard bike appears", async (t) => {
  const pair = await createPair(t);
  await pair.startGateway();
  const { page: any } = await browser.newPage(t);
  const { page: named } = await browser.newPage(t);
  await Promise.all([any.goto(pair.url), named.goto(`${pair.url}/#/bikes/cargo-7`)]);
  await waitForText(any, "nothing", /python -m device/);
  await waitForText(named, "bike-state", /^Not heard$/);
  await waitForText(named, "bike-notice", /has not heard from cargo-7/);
  await showState(any, "no-bike");
  await showState(named, "bike-not-heard");
  pair.startDevice({ SPOKE_DEVICE_ID: "cargo-7" });
  await waitForText(any, "bike-id", /^cargo-7$/);
  await waitForText(named, "bike-state", /^Online$/);
  await Promise.all([waitForSeq(any, 1), waitForSeq(named, 1)]);
  assert.equal(await any.locator("#nothing").isVisible(), false);
});
