import assert from "node:assert/strict";
import { after, test } from "node:test";

import { readTally, startBrowser, takePicture, waitForSeq, waitForText } from "./browser.mjs";
import { createPair, newestSeq } from "./pair.mjs";
import { eventually } from "./waiting.mjs";

const BIKE = "ebike-001";
const FLEET = ["ebike-001", "ebike-002", "ebike-003"];

/** One gateway and a fleet for all tests that stop neither; those have a pair of their own. */
const shared = await createPair({ after });
const browser = await startBrowser(after);
shared.startDevice({ SPOKE_FLEET_SIZE: `${FLEET.length}` });
await shared.startGateway();

async function openShared(t, options) {
  return openDashboard(t, shared.url, options);
}

async function openDashboard(t, url, options) {
  const opened = await browser.newPage(t, options);
  await opened.page.goto(url);
  await waitForSeq(opened.page, 1);
  return opened;
}

/** Every number from the first to the last arrived once: what a resume is for. */
async function assertNothingMissing(page) {
  const { received, first, last, gaps } = await readTally(page);
  assert.equal(gaps, "none");
  assert.equal(received, last - first + 1);
}

test("readings appear, the speed moves, and nothing is missing", async (t) => {
  const { page, complaints } = await openShared(t);
  await waitForText(page, "link", /^Connected$/);
  await waitForText(page, "bike-id", /^ebike-001$/);
  await waitForText(page, "bike-state", /^Online$/);
  await waitForText(page, "speed", /^\d+\.\d$/);
  const before = await page.locator("#speed").innerText();
  await eventually("another speed", async () => (await page.innerText("#speed")) !== before);
  await page.waitForSelector("#chart canvas");
  await assertNothingMissing(page);
  await takePicture(page, "connected");
  assert.deepEqual(complaints, []);
});

test("the page runs under a policy that allows no inline script and no inline style", async (t) => {
  const { page } = await browser.newPage(t);
  const policy = (await page.goto(shared.url)).headers()["content-security-policy"];
  assert.match(policy, /script-src 'self'(;|$)/);
  assert.match(policy, /style-src 'self'(;|$)/);
});

test("disconnect stops the readings, connect goes on without a missing one", async (t) => {
  const { page } = await openShared(t);
  await page.click("#disconnect");
  await waitForText(page, "link", /^Disconnected$/);
  await waitForText(page, "notice", /You disconnected/);
  const stopped = await readTally(page);
  const later = stopped.last + 20;
  await eventually("readings not shown", async () => (await newestSeq(shared.url, BIKE)) > later);
  assert.deepEqual(await readTally(page), stopped);
  await takePicture(page, "disconnected");
  await page.click("#connect");
  await waitForSeq(page, later);
  await waitForText(page, "link", /^Connected$/);
  await assertNothingMissing(page);
});

test("a line that is down when the page opens is told, and used when it is up", async (t) => {
  const { page } = await browser.newPage(t);
  await page.route("**/socket.io/**", (route) => route.abort());
  await page.goto(shared.url);
  await waitForText(page, "link", /^Reconnecting/);
  await waitForText(page, "notice", /gateway does not answer/);
  await page.unroute("**/socket.io/**");
  await waitForText(page, "link", /^Connected$/);
  await waitForSeq(page, 1);
});

test("a fleet is listed, and a click shows another bike from its beginning", async (t) => {
  const { page } = await openShared(t);
  await waitForText(page, "bikes-count", /^3 of 3 online$/);
  assert.deepEqual(await page.locator("#bikes .name").allInnerTexts(), FLEET);
  await page.click("text=ebike-003");
  await waitForText(page, "bike-id", /^ebike-003$/);
  await waitForSeq(page, 1);
  await assertNothingMissing(page);
  assert.match(page.url(), /#\/bikes\/ebike-003$/);
  assert.equal(await page.locator("#bikes [aria-current] .name").innerText(), "ebike-003");
});

test("the buttons work from the keyboard, and the focus stays on the one that works", async (t) => {
  const { page } = await openShared(t);
  await page.focus("#disconnect");
  await page.keyboard.press("Enter");
  await waitForText(page, "link", /^Disconnected$/);
  await page.waitForSelector("#connect:focus");
  await page.keyboard.press("Enter");
  await waitForText(page, "link", /^Connected$/);
  assert.equal(await page.locator("#disconnect:focus").count(), 1);
});

test("a phone in the dark shows the page without scrolling sideways", async (t) => {
  const phone = { viewport: { width: 390, height: 844 }, colorScheme: "dark" };
  const { page } = await openShared(t, phone);
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(content <= window, `${content} px in ${window} px`);
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(ground, "rgb(14, 19, 18)");
  await takePicture(page, "phone-dark");
});

test("without JavaScript the page says that it needs it", async (t) => {
  const { page } = await browser.newPage(t, { javaScriptEnabled: false });
  await page.goto(shared.url);
  assert.match(await page.innerText("body"), /This page needs JavaScript/);
});

test("a killed gateway is told, and after its restart no reading is missing", async (t) => {
  const pair = await createPair(t);
  pair.startDevice();
  const gateway = await pair.startGateway();
  const { page } = await openDashboard(t, pair.url);
  await gateway.stop("SIGKILL");
  await waitForText(page, "link", /^Reconnecting/);
  await waitForText(page, "notice", /gateway does not answer/);
  await waitForText(page, "bike-state", /^Unknown$/);
  await takePicture(page, "gateway-down");
  const { last } = await readTally(page);
  await pair.startGateway();
  await waitForText(page, "link", /^Connected$/);
  await waitForText(page, "bike-state", /^Online$/);
  await waitForSeq(page, last + 20);
  await assertNothingMissing(page);
});

test("what the gateway no longer holds is told as a gap, to the last reading", async (t) => {
  const pair = await createPair(t);
  pair.startDevice({ SPOKE_RATE_HZ: "100" });
  await pair.startGateway({ SPOKE_HISTORY_READINGS: "50" });
  const { page } = await openDashboard(t, pair.url);
  await page.click("#disconnect");
  await waitForText(page, "link", /^Disconnected$/);
  const later = (await readTally(page)).last + 100;
  await eventually("readings not shown", async () => (await newestSeq(pair.url, BIKE)) > later);
  await page.click("#connect");
  await waitForSeq(page, later);
  const { received, lost, first, last } = await readTally(page);
  assert.ok(lost > 0, "nothing was lost");
  assert.equal(received + lost, last - first + 1);
});

test("a device that stops is shown as offline with its last reading", async (t) => {
  const pair = await createPair(t);
  const bike = pair.startDevice();
  await pair.startGateway();
  const { page } = await openDashboard(t, pair.url);
  await bike.stop("SIGTERM");
  await waitForText(page, "bike-state", /^Offline$/);
  await waitForText(page, "bike-notice", /ebike-001 is offline/);
  await waitForText(page, "bikes-count", /^0 of 1 online$/);
  await waitForText(page, "speed", /^\d+\.\d$/);
  await takePicture(page, "device-offline");
});

test("a bike that was not heard yet shows by itself, chosen by its address or not", async (t) => {
  const pair = await createPair(t);
  await pair.startGateway();
  const { page: any } = await browser.newPage(t);
  const { page: named } = await browser.newPage(t);
  await Promise.all([any.goto(pair.url), named.goto(`${pair.url}/#/bikes/cargo-7`)]);
  await waitForText(any, "nothing", /python -m device/);
  await waitForText(named, "bike-state", /^Not heard$/);
  await waitForText(named, "bike-notice", /Nothing was heard from cargo-7/);
  pair.startDevice({ SPOKE_DEVICE_ID: "cargo-7" });
  await waitForText(any, "bike-id", /^cargo-7$/);
  await waitForText(named, "bike-state", /^Online$/);
  await Promise.all([waitForSeq(any, 1), waitForSeq(named, 1)]);
  assert.equal(await any.locator("#nothing").isVisible(), false);
});
