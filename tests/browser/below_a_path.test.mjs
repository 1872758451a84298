/** The pages behind proxies that serve the gateway below a path: no request leaves the path. */

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { download, startBrowser, waitForSeq } from "./browser.mjs";
import { createPair } from "./pair.mjs";
import { startPathProxy } from "./path_proxy.mjs";

const browser = await startBrowser(after);
const PATH = "/my%20bikes/spoke";
const BIKE = "ebike-001";

async function startPair(t, settings = {}) {
  const pair = await createPair(t);
  pair.startDevice();
  await pair.startGateway(settings);
  return pair;
}

function assertAllBelow(asked) {
  assert.ok(asked.length > 5);
  assert.deepEqual(asked.filter((path) => !path.startsWith(`${PATH}/`)), []);
}

/** Open the dashboard, a bike, a download and the documents. */
async function visit(t, { url, asked }) {
  const { page, complaints } = await browser.newPage(t);
  await page.goto(url);
  await waitForSeq(page, 20);
  const { text } = await download(page, "#csv-all");
  assert.match(text, /^time_utc,/);
  for (const needle of ["/socket.io/", `/api/v1/devices/${BIKE}/readings`, "transport=websocket"]) {
    assert.ok(asked.some((path) => path.includes(needle)), needle);
  }
  await page.goto(`${url}docs`);
  const link = page.locator("a[href$='openapi.json']");
  assert.ok(await link.evaluate((anchor) => fetch(anchor.href).then(({ ok }) => ok)));
  await page.goto(`${url}bikes/${BIKE}`);
  assert.equal(page.url(), `${url}#/bikes/${BIKE}`);
  await waitForSeq(page, 20);
  assertAllBelow(asked);
  assert.deepEqual(complaints, []);
}

const SCRIPT = `
  import { follow, gatewayAt } from "${PATH}/static/spoke.js";
  import { io } from "${PATH}/static/vendor/socket.io.esm.min.js";
  follow(io(...gatewayAt("${PATH}")), {
    devices: "*",
    onReading: ({ device_id }) => (document.title = device_id),
  });`;

test("a proxy that removes the path and says nothing", async (t) => {
  const pair = await startPair(t);
  const page = `<!doctype html><title>-</title><script type="module">${SCRIPT}</script>`;
  const proxy = await startPathProxy(t, pair.url, PATH, { page });
  await visit(t, proxy);
  // another page of the proxy, which loads spoke.js from the gateway
  proxy.asked.length = 0;
  const other = (await browser.newPage(t)).page;
  await other.goto(`${proxy.origin}/`);
  await other.waitForFunction((id) => document.title === id, BIKE);
  assertAllBelow(proxy.asked.filter((path) => path !== "/" && path !== "/favicon.ico"));
});

test("a proxy that keeps the path", async (t) => {
  const pair = await startPair(t, { SPOKE_BASE_PATH: PATH });
  await visit(t, await startPathProxy(t, pair.url, PATH, { isRemoved: false }));
});
