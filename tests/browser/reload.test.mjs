/** A page that follows bikes with spoke.js is reloaded, left and duplicated while readings arrive. */

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { startDroppingProxy } from "./dropping_proxy.mjs";
import { startBrowser } from "./browser.mjs";
import { startOrigin } from "./origin.mjs";
import { createPair } from "./pair.mjs";

const BIKE = "ebike-001";

/** Follow the bikes in the address. `seen` belongs to this page, the tape to all pages of this tab. */
const PAGE = `<!doctype html><title>Follower</title><link rel="icon" href="data:,">
<script type="module">
  import { io } from "/client.js";
  import { follow } from "/spoke.js";
  const { gateway, devices, ...options } = Object.fromEntries(new URLSearchParams(location.search));
  const tape = JSON.parse(sessionStorage.getItem("tape") ?? "[]");
  window.seen = [];
  window.gaps = [];
  const transports = options.transports?.split(",") ?? ["polling", "websocket"];
  follow(io(gateway, { transports, reconnectionDelay: 50 }), {
    devices: devices === "*" ? "*" : [devices],
    onReading({ seq }) {
      window.seen.push(seq);
      tape.push(seq);
      sessionStorage.setItem("tape", JSON.stringify(tape));
    },
    onGap: (gap) => window.gaps.push(gap),
  });
</script>`;

const browser = await startBrowser(after);
const origin = await startOrigin({ after }, { pages: { "/": PAGE } });

async function startPair(t, settings = {}) {
  const pair = await createPair(t);
  pair.startDevice({ SPOKE_RATE_HZ: "100" });
  const start = () => pair.startGateway({ SPOKE_CORS_ORIGINS: origin, ...settings });
  return { url: pair.url, start, gateway: await start() };
}

/** For the tests that do not stop the gateway. */
const { url } = await startPair({ after });

function address(url, devices = BIKE, more = {}) {
  return `${origin}/?${new URLSearchParams({ gateway: url, devices, ...more })}`;
}

async function waitForMore(page, count) {
  await page.waitForFunction((least) => (window.seen?.length ?? 0) >= least, count);
}

function readTape(page) {
  return page.evaluate(() => JSON.parse(sessionStorage.getItem("tape")));
}

function assertEachOnceInOrder(numbers) {
  const expected = numbers.map((_, index) => numbers[0] + index);
  assert.deepEqual(numbers, expected);
}

for (const devices of [BIKE, "*"]) {
  test(`following ${devices} over six reloads`, async (t) => {
    const { page, complaints } = await browser.newPage(t);
    await page.goto(address(url, devices));
    for (let count = 0; count < 6; count += 1) {
      await waitForMore(page, 5 + 3 * count);
      await page.reload();
    }
    await waitForMore(page, 20);
    const tape = await readTape(page);
    assert.ok(tape.length > 60, `only ${tape.length} readings`);
    assertEachOnceInOrder(tape);
    assert.deepEqual(await page.evaluate(() => window.gaps), []);
    assert.deepEqual(complaints, []);
  });
}

test("a polling page loses nothing", async (t) => {
  const proxy = await startDroppingProxy(t, url);
  const { page } = await browser.newPage(t);
  await page.goto(address(proxy.url, BIKE, { transports: "polling" }));
  for (let count = 0; count < 8; count += 1) {
    await proxy.dropNext();
    await waitForMore(page, (await page.evaluate(() => window.seen.length)) + 10);
  }
  assertEachOnceInOrder(await readTape(page));
  assert.deepEqual(await page.evaluate(() => window.gaps), []);
});

test("a tab after a killed gateway", async (t) => {
  const { url, start, gateway } = await startPair(t);
  const { page } = await browser.newPage(t);
  await page.goto(address(url));
  await waitForMore(page, 20);
  await page.goto("about:blank");
  await gateway.stop("SIGKILL");
  await start();
  await page.goto(address(url));
  await waitForMore(page, 50);
  assertEachOnceInOrder(await readTape(page));
});

test("a duplicated tab", async (t) => {
  const { page } = await browser.newPage(t);
  await page.goto(address(url));
  await waitForMore(page, 20);
  // a page that another one opens starts with a copy of its storage, as a duplicated tab does
  const [double] = await Promise.all([
    page.waitForEvent("popup"),
    page.evaluate(() => void window.open(location.href)),
  ]);
  await waitForMore(double, 50);
  await double.reload();
  await waitForMore(double, 20);
  await page.reload();
  await waitForMore(page, 50);
  assertEachOnceInOrder(await readTape(page));
  assertEachOnceInOrder(await double.evaluate(() => window.seen));
});

test("another tab starts with now", async (t) => {
  const { page } = await browser.newPage(t);
  await page.goto(address(url));
  await waitForMore(page, 50);
  const other = await page.context().newPage();
  await other.goto(address(url));
  await waitForMore(other, 20);
  const [first] = await other.evaluate(() => window.seen);
  assert.ok(first > (await readTape(page))[0], "it got what was before it");
  await Promise.all([page.reload(), other.reload()]);
  await Promise.all([waitForMore(page, 20), waitForMore(other, 20)]);
  for (const tab of [page, other]) assertEachOnceInOrder(await readTape(tab));
});
