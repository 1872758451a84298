import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";

import { startBrowser } from "./browser.mjs";
import { createPair } from "./pair.mjs";
import { ROOT } from "./processes.mjs";

const browser = await startBrowser(after);
const CLIENT = join(ROOT, "gateway", "static", "vendor", "socket.io.esm.min.js");

/** A web server that is somebody else's: an empty page and the stock client. */
async function startOrigin(t) {
  const client = await readFile(CLIENT);
  const server = createServer((request, response) => {
    const wantsClient = request.url === "/client.js";
    response.setHeader("Content-Type", wantsClient ? "text/javascript" : "text/html");
    response.end(wantsClient ? client : "<!doctype html><title>Elsewhere</title>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Open a page of `origin`, and a gateway with a device that lists `listed`. */
async function openElsewhere(t, origin, listed) {
  const pair = await createPair(t);
  await pair.startGateway({ SPOKE_CORS_ORIGINS: listed });
  pair.startDevice();
  const { page } = await browser.newPage(t);
  await page.goto(origin);
  return { page, url: pair.url };
}

/** In the page: fetch a document of the gateway's; its status, or that it was kept from us. */
function fetchStatus(page, url) {
  const ask = (address) => fetch(address).then((answer) => answer.status, () => "refused");
  return page.evaluate(ask, `${url}/api/v1/devices`);
}

/** In the page: follow all bikes with the stock client; the first reading's bike, or "refused". */
function firstBike(page, url, transport) {
  const ask = async ([address, transports]) => {
    const { io } = await import("/client.js");
    const socket = io(address, { transports, reconnection: false });
    const heard = new Promise((tell) => {
      socket.on("connect_error", () => tell("refused"));
      socket.on("speed_change", ({ device_id }) => tell(device_id));
    });
    socket.emit("subscribe", { devices: "*" });
    return heard.finally(() => socket.disconnect());
  };
  return page.evaluate(ask, [url, [transport]]);
}

test("a page of a listed origin gets readings and documents", async (t) => {
  const origin = await startOrigin(t);
  const { page, url } = await openElsewhere(t, origin, origin);
  assert.equal(await firstBike(page, url, "polling"), "ebike-001");
  assert.equal(await firstBike(page, url, "websocket"), "ebike-001");
  assert.equal(await fetchStatus(page, url), 200);
});

test("a page of an origin that is not listed gets nothing", async (t) => {
  const [listed, other] = [await startOrigin(t), await startOrigin(t)];
  const { page, url } = await openElsewhere(t, other, listed);
  assert.equal(await firstBike(page, url, "polling"), "refused");
  assert.equal(await firstBike(page, url, "websocket"), "refused");
  assert.equal(await fetchStatus(page, url), "refused");
});

test("no other origin gets anything when none is listed", async (t) => {
  const { page, url } = await openElsewhere(t, await startOrigin(t), "");
  assert.equal(await firstBike(page, url, "websocket"), "refused");
  assert.equal(await fetchStatus(page, url), "refused");
});
