import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import * as csv from "../../gateway/static/dashboard/csv.js";

const GATEWAY = fileURLToPath(new URL("../../gateway", import.meta.url));

const HEADER = "time_utc,v,device_id";

function csvOf(...lines) {
  return [HEADER, ...lines, ""].join("\r\n");
}

test("name of a CSV file", () => {
  const [one, other] = ["2026-01-31T12:30:00.250Z,1,b", "2026-01-31T12:31:07.900Z,1,b"];
  const name = (...lines) => csv.fileName("b", csvOf(...lines));
  assert.equal(name(one, one, other), "b_2026-01-31T12-30-00Z_to_2026-01-31T12-31-07Z.csv");
  assert.equal(name(one), "b_2026-01-31T12-30-00Z_to_2026-01-31T12-30-00Z.csv");
  assert.equal(name(",1,b", other), "b.csv", "a clock beyond the year 9999");
});

test("texts about a CSV file", () => {
  assert.equal(csv.linesIn(csvOf("1", "2")), 3);
  assert.equal(csv.savedText("b.csv", 1), "Saved b.csv: 1 reading");
  assert.match(csv.savedText("b.csv", 1, true), /1 reading\. The bike is offline and may keep/);
  assert.match(csv.fetchingText("b", 12_000), /of b: 12,000 so far/);
  assert.match(csv.failureText("ask again"), /gateway says: ask again\.$/);
  assert.match(csv.failureText(undefined), /does not answer.*Try again when/);
});

test("the template preloads every module", async () => {
  const template = await readFile(`${GATEWAY}/templates/dashboard.html`, "utf8");
  const [list] = /for name in \(([^)]*)\)/.exec(template).slice(1);
  const asked = [...list.matchAll(/"(\w+)"/g)].map(([, name]) => `${name}.js`);
  const files = await readdir(`${GATEWAY}/static/dashboard`);
  assert.deepEqual(asked, files.filter((file) => file.endsWith(".js")).sort());
});
