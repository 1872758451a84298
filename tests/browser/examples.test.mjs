/** The example pages, unchanged: with the stock client, and without a library. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";

import { showState, startBrowser, waitForText } from "./browser.mjs";
import { startOrigin } from "./origin.mjs";
import { createPair } from "./pair.mjs";
import { ROOT } from "./processes.mjs";

const PATHS = [
  "examples/page.html",
  "node_modules/socket.io-client/dist/socket.io.esm.min.js",
  "node_modules/socket.io-client/dist/socket.io.esm.min.js.map",
];

const MY_PAGE = join(ROOT, "examples/my_page.html");

const browser = await startBrowser(after);

test("page.html shows every bike", async (t) => {
  const files = Object.fromEntries(PATHS.map((path) => [`/${path}`, join(ROOT, path)]));
  const origin = await startOrigin(t, { files });
  const pair = await createPair(t);
  pair.startDevice({ SPOKE_FLEET_SIZE: "2" });
  await pair.startGateway({ SPOKE_CORS_ORIGINS: origin });
  const { page } = await browser.newPage(t);
  await page.goto(`${origin}/examples/page.html?gateway=${pair.url}`);
  await page.waitForFunction(() => document.querySelectorAll("#bikes li").length === 2);
  const lines = await page.locator("#bikes li").allInnerTexts();
  for (const line of lines) assert.match(line, /^ebike-00[12]: \d+\.\d km\/h$/);
});

/** Open my_page.html, served from its own origin. */
async function openMyPage(t, gatewaySettings) {
  const origin = await startOrigin(t, { files: { "/my_page.html": MY_PAGE } });
  const pair = await createPair(t);
  pair.startDevice({ SPOKE_FLEET_SIZE: "2" });
  const gateway = await pair.startGateway(gatewaySettings(origin));
  const { page } = await browser.newPage(t);
  await page.goto(`${origin}/my_page.html?gateway=${pair.url}`);
  return { page, pair, origin, gateway };
}

test("my_page.html reconnects", async (t) => {
  const listed = (origin) => ({ SPOKE_CORS_ORIGINS: origin });
  const { page, pair, origin, gateway } = await openMyPage(t, listed);
  const forget = () => document.querySelector("#bikes").replaceChildren();
  for (const restart of [false, true]) {
    if (restart) {
      await gateway.stop("SIGTERM");
      await waitForText(page, "link", /^(Reconnecting…|No answer from)/);
      await page.evaluate(forget);
      await pair.startGateway(listed(origin));
    }
    await waitForText(page, "link", /^Connected to http/);
    await page.waitForFunction(() => document.querySelectorAll("#bikes li").length === 2);
    const lines = await page.locator("#bikes li").allInnerTexts();
    for (const line of lines) assert.match(line, /^ebike-00[12]: \d+\.\d km\/h, \d+ W$/);
  }
  await showState(page, "my-page", ["light"]);
});

test("my_page.html from disk", async (t) => {
  const pair = await createPair(t);
  pair.startDevice();
  const closed = await pair.startGateway();
  const { page } = await browser.newPage(t);
  await page.goto(`${pathToFileURL(MY_PAGE)}?gateway=${pair.url}`);
  await waitForText(page, "link", /is null in its SPOKE_CORS_ORIGINS\?$/);
  await closed.stop("SIGTERM");
  await pair.startGateway({ SPOKE_CORS_ORIGINS: "null" });
  await waitForText(page, "link", /^Connected to http/);
  await page.waitForFunction(() => document.querySelectorAll("#bikes li").length === 1);
});

test("my_page.html from a refused origin", async (t) => {
  const { page, origin } = await openMyPage(t, () => ({}));
  await waitForText(page, "link", /^No answer from http.*SPOKE_CORS_ORIGINS\?$/);
  assert.ok((await page.innerText("#link")).includes(origin));
});
