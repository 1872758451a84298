import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { csvOf } from "../../gateway/static/dashboard/csv.js";

const GATEWAY = fileURLToPath(new URL("../../gateway", import.meta.url));

function reading(seq, ts_ms, values = {}) {
  return { device_id: "b", epoch: 1, seq, ts_ms, speed_kmh: seq, ...values };
}

test("a CSV file has the columns of the protocol, quotes and line ends of RFC 4180", () => {
  const [header, line, end] = csvOf([reading(1, 2, { v: 1, extra: { mood: "so, so" } })]).split(
    "\r\n",
  );
  assert.match(header, /^v,device_id,epoch,seq,ts_ms,speed_kmh,power_w,.*,assist,extra$/);
  assert.equal(line, '1,b,1,1,2,1,,,,,,,,,,,,,"{""mood"":""so, so""}"');
  assert.equal(end, "");
});

test("the page asks for all its modules at once, and for no other", async () => {
  const template = await readFile(`${GATEWAY}/templates/dashboard.html`, "utf8");
  const [list] = /for name in \(([^)]*)\)/.exec(template).slice(1);
  const asked = [...list.matchAll(/"(\w+)"/g)].map(([, name]) => `${name}.js`);
  const files = await readdir(`${GATEWAY}/static/dashboard`);
  assert.deepEqual(asked, files.filter((file) => file.endsWith(".js")).sort());
});
