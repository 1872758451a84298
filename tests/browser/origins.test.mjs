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

/** A web server of another origin: an empty page and the stock client. */
async function startOrigin(scope) {
  const client = await readFile(CLIENT);
  const server = createServer((request, response) => {
    const wantsClient = request.url === "/client.js";
    response.setHeader("Content-Type", wantsClient ? "text/javascript" : "text/html");
    response.end(wantsClient ? client : "<!doctype html><title>Elsewhere</title>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** A gateway with a device and these settings. */
async function startPair(scope, settings) {
  const pair = await createPair(scope);
  pair.startDevice();
  await pair.startGateway(settings);
  return pair.url;
}

async function openPage(t, origin) {
  const { page } = await browser.newPage(t);
  await page.goto(origin);
  return page;
}

/** In the page: fetch a document of the gateway; its status, or that the browser blocked it. */
function fetchStatus(page, url) {
  const ask = (address) => fetch(address).then((answer) => answer.status, () => "refused");
  return page.evaluate(ask, `${url}/api/v1/devices`);
}

/** In the page: follow all bikes with the stock client; the id in the first reading, or "refused". */
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

const listed = await startOrigin({ after });
const url = await startPair({ after }, { SPOKE_CORS_ORIGINS: listed });

test("a listed origin gets everything", async (t) => {
  const page = await openPage(t, listed);
  assert.equal(await firstBike(page, url, "polling"), "ebike-001");
  assert.equal(await firstBike(page, url, "websocket"), "ebike-001");
  assert.equal(await fetchStatus(page, url), 200);
});

test("an unlisted origin gets nothing", async (t) => {
  const page = await openPage(t, await startOrigin(t));
  assert.equal(await firstBike(page, url, "polling"), "refused");
  assert.equal(await firstBike(page, url, "websocket"), "refused");
  assert.equal(await fetchStatus(page, url), "refused");
});

test("no origin is listed", async (t) => {
  const closed = await startPair(t, {});
  const page = await openPage(t, listed);
  assert.equal(await firstBike(page, closed, "polling"), "refused");
  assert.equal(await firstBike(page, closed, "websocket"), "refused");
  assert.equal(await fetchStatus(page, closed), "refused");
});

test("a request without its origin", async (t) => {
  const small = await startPair(t, { SPOKE_MAX_CONNECTIONS: "2" });
  const session = `${small}/socket.io/?EIO=4&transport=polling`;
  const page = await openPage(t, await startOrigin(t));
  const blind = (address) => fetch(address, { mode: "no-cors" }).then((answer) => answer.type);
  for (let asked = 0; asked < 4; asked += 1) {
    assert.equal(await page.evaluate(blind, session), "opaque");
  }
  for (const status of [200, 200, 503]) {
    assert.equal((await fetch(session)).status, status);
  }
});
