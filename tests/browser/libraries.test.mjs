import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { io } from "socket.io-client";

import { startBrowser } from "./browser.mjs";
import { createPair } from "./pair.mjs";
import { ROOT } from "./processes.mjs";

const browser = await startBrowser(after);

const directory = mkdtempSync(join(tmpdir(), "spoke-bare-"));
after(() => rmSync(directory, { recursive: true, force: true }));
copyWithoutLibraries();

/** Copy the files of a gateway and a device, without the installed libraries. */
function copyWithoutLibraries() {
  const wanted = (path) => !path.endsWith("vendor") && !path.endsWith("__pycache__");
  for (const folder of ["gateway", "device", "shared", "configs"]) {
    cpSync(join(ROOT, folder), join(directory, folder), { recursive: true, filter: wanted });
  }
}

test("a page without libraries", async (t) => {
  const pair = await createPair(t, { directory });
  pair.startDevice();
  await pair.startGateway();
  const { page, complaints } = await browser.newPage(t);
  await page.goto(pair.url);
  assert.match(await page.locator("#libraries-missing").innerText(), /run scripts\/install/);
  assert.deepEqual(complaints, []);
  const socket = io(pair.url);
  t.after(() => socket.disconnect());
  socket.emit("subscribe", { devices: "*" });
  const reading = await new Promise((take) => socket.once("speed_change", take));
  assert.equal(reading.device_id, "ebike-001");
});
