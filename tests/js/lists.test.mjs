/** Lists in style sheets and templates contain only names that the modules define. */

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { STATE_LABELS } from "../../gateway/static/dashboard/bike_status.js";
import { CONNECTION_STATES } from "../../gateway/static/dashboard/connection.js";
import { COLOURS } from "../../gateway/static/dashboard/palette.js";
import { WINDOWS_S } from "../../gateway/static/dashboard/time_range.js";

const GATEWAY = fileURLToPath(new URL("../../gateway", import.meta.url));

/** The names that are not in a list. */
function missingFrom(known, names) {
  return names.filter((name) => !known.includes(name));
}

const read = (path) => readFile(`${GATEWAY}/${path}`, "utf8");

function found(text, pattern) {
  return [...text.matchAll(pattern)].map(([, name]) => name);
}

test("the filter offers states of bikes", async () => {
  const [, select] = /<select id="find-state">([^]*?)<\/select>/.exec(
    await read("templates/dashboard/fleet.html"),
  );
  const [all, ...offered] = found(select, /value="(\w+)"/g);
  assert.equal(all, "all");
  assert.ok(offered.length > 1);
  assert.deepEqual(missingFrom(Object.keys(STATE_LABELS), offered), []);
});

test("style sheets colour states that exist", async () => {
  const folder = "static/dashboard";
  const sheets = (await readdir(`${GATEWAY}/${folder}`)).filter((name) => name.endsWith(".css"));
  const texts = await Promise.all(sheets.map((name) => read(`${folder}/${name}`)));
  const kinds = texts.flatMap((text) => found(text, /data-kind="?(\w+)/g));
  assert.ok(kinds.length > 3);
  assert.deepEqual(missingFrom([...Object.keys(STATE_LABELS), ...CONNECTION_STATES], kinds), []);
});

test("the buttons offer the chart windows", async () => {
  const [, minutes] = /for minutes in \(([^)]*)\)/.exec(await read("templates/dashboard/bike.html"));
  assert.deepEqual(
    minutes.split(", ").map((one) => Number(one) * 60),
    WINDOWS_S,
  );
});

test("colours of canvases are defined", async () => {
  const defined = found(await read("static/dashboard.css"), /^ +--([\w-]+):/gm);
  assert.deepEqual(missingFrom(defined, COLOURS), []);
});
