import assert from "node:assert/strict";
import { after, test } from "node:test";

import { readTally, startBrowser, takePicture, waitForSeq, waitForText } from "./browser.mjs";
import { createPair, newestSeq } from "./pair.mjs";
import { eventually } from "./waiting.mjs";

const BIKE = "ebike-001";
const browser = await startBrowser(after);

/** A gateway, a device, and a page that shows its readings. */
async function openDashboard(t, { device = {}, ...options } = {}) {
  const pair = await createPair(t);
  const gateway = await pair.startGateway();
  const bike = pair.startDevice(device);
  const { page, complaints } = await browser.newPage(t, options);
  await page.goto(pair.url);
  await waitForSeq(page, 1);
  return { pair, gateway, bike, page, complaints };
}

/** Every number from the first to the last arrived once: what a resume is for. */
async function assertNothingMissing(page) {
  const { received, first, last, gaps } = await readTally(page);
  assert.equal(gaps, "none");
  assert.equal(received, last - first + 1);
}

test("readings appear, the speed moves, and nothing is missing", async (t) => {
  const { page, complaints } = await openDashboard(t);
  await waitForText(page, "link", /^Connected$/);
  await waitForText(page, "bike-id", /^ebike-001$/);
  await waitForText(page, "bike-state", /^Online$/);
  await waitForText(page, "speed", /^\d+\.\d$/);
  const before = await page.locator("#speed").innerText();
  await eventually("another speed", async () => (await page.locator("#speed").innerText()) !== before);
  await page.waitForSelector("#chart canvas");
  await assertNothingMissing(page);
  await takePicture(page, "connected");
  assert.deepEqual(complaints, []);
});

test("disconnect stops the readings, connect goes on without a missing one", async (t) => {
  const { pair, page } = await openDashboard(t);
  await page.click("#disconnect");
  await waitForText(page, "link", /^Disconnected$/);
  await waitForText(page, "notice", /You disconnected/);
  const stopped = await readTally(page);
  const later = stopped.last + 20;
  await eventually("readings nobody watches", async () => (await newestSeq(pair.url, BIKE)) > later);
  assert.deepEqual(await readTally(page), stopped);
  await takePicture(page, "disconnected");
  await page.click("#connect");
  await waitForSeq(page, later);
  await waitForText(page, "link", /^Connected$/);
  await assertNothingMissing(page);
});

test("a killed gateway is told, and after its restart no reading is missing", async (t) => {
  const { pair, gateway, page } = await openDashboard(t);
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

test("a device that stops is shown as offline with its last reading", async (t) => {
  const { bike, page } = await openDashboard(t);
  await bike.stop("SIGTERM");
  await waitForText(page, "bike-state", /^Offline$/);
  await waitForText(page, "bike-notice", /ebike-001 is offline/);
  await waitForText(page, "bikes-count", /^0 of 1 online$/);
  await waitForText(page, "speed", /^\d+\.\d$/);
  await takePicture(page, "device-offline");
});

test("a line that is down when the page opens is told, and used when it is up", async (t) => {
  const pair = await createPair(t);
  await pair.startGateway();
  pair.startDevice();
  const { page } = await browser.newPage(t);
  await page.route("**/socket.io/**", (route) => route.abort());
  await page.goto(pair.url);
  await waitForText(page, "link", /^Reconnecting/);
  await waitForText(page, "notice", /gateway does not answer/);
  await page.unroute("**/socket.io/**");
  await waitForText(page, "link", /^Connected$/);
  await waitForSeq(page, 1);
});

test("a gateway that heard no bike says how to start one, and shows it by itself", async (t) => {
  const pair = await createPair(t);
  await pair.startGateway();
  const { page } = await browser.newPage(t);
  await page.goto(pair.url);
  await waitForText(page, "nothing", /python -m device/);
  pair.startDevice();
  await waitForText(page, "bike-id", /^ebike-001$/);
  assert.equal(await page.locator("#nothing").isVisible(), false);
});

test("a fleet is listed, and a click shows another bike from its beginning", async (t) => {
  const { page } = await openDashboard(t, { device: { SPOKE_FLEET_SIZE: "3" } });
  await waitForText(page, "bikes-count", /^3 of 3 online$/);
  const names = await page.locator("#bikes .name").allInnerTexts();
  assert.deepEqual(names, ["ebike-001", "ebike-002", "ebike-003"]);
  await page.click("text=ebike-003");
  await waitForText(page, "bike-id", /^ebike-003$/);
  await waitForSeq(page, 1);
  assert.equal((await readTally(page)).first, 1);
  await assertNothingMissing(page);
  assert.match(page.url(), /#\/bikes\/ebike-003$/);
  assert.equal(await page.locator("#bikes [aria-current] .name").innerText(), "ebike-003");
});

test("an address names the bike to show, also one that was not heard yet", async (t) => {
  const pair = await createPair(t);
  await pair.startGateway();
  const { page } = await browser.newPage(t);
  await page.goto(`${pair.url}/#/bikes/cargo-7`);
  await waitForText(page, "bike-state", /^Not heard$/);
  await waitForText(page, "bike-notice", /Nothing was heard from cargo-7/);
  pair.startDevice({ SPOKE_DEVICE_ID: "cargo-7" });
  await waitForText(page, "bike-state", /^Online$/);
  await waitForSeq(page, 1);
});

test("the buttons work from the keyboard, and the focus stays on the one that works", async (t) => {
  const { page } = await openDashboard(t);
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
  const { page } = await openDashboard(t, phone);
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(content <= window, `${content} px in ${window} px`);
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(ground, "rgb(14, 19, 18)");
  await takePicture(page, "phone-dark");
});
