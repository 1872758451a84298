/** The page at /docs, as people and screen readers get it. */

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { showState, startBrowser } from "./browser.mjs";
import { createPair } from "./pair.mjs";

const browser = await startBrowser(after);
const { url, startGateway } = await createPair({ after });
await startGateway();

async function openDocs(t, options) {
  const { page, complaints } = await browser.newPage(t, options);
  await page.goto(`${url}/docs`);
  return { page, complaints };
}

test("axe finds nothing, light and dark", async (t) => {
  const { page, complaints } = await openDocs(t);
  await showState(page, "docs");
  assert.deepEqual(complaints, []);
});

test("at a phone nothing sticks out", async (t) => {
  const { page } = await openDocs(t, { viewport: { width: 390, height: 844 } });
  const [content, room] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(content <= room, `${content} px in ${room} px`);
});

test("the page reads the same without JavaScript", async (t) => {
  const { page } = await openDocs(t, { javaScriptEnabled: false });
  assert.match(await page.innerText("#event-speed_change"), /gateway sends\s+speed_change/);
  await page.click("nav a[href='#schema-Reading']");
  assert.match(page.url(), /#schema-Reading$/);
  assert.match(await page.innerText("#schema-Reading"), /speed_kmh\s+number from 0 to 200\s+km\/h/);
});
