/** The page of the examples as it stands, with nothing but the stock client. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";

import { startBrowser } from "./browser.mjs";
import { startOrigin } from "./origin.mjs";
import { createPair } from "./pair.mjs";
import { ROOT } from "./processes.mjs";

const PATHS = [
  "examples/page.html",
  "node_modules/socket.io-client/dist/socket.io.esm.min.js",
  "node_modules/socket.io-client/dist/socket.io.esm.min.js.map",
];

const browser = await startBrowser(after);

test("the page of the examples shows every bike's speed", async (t) => {
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
