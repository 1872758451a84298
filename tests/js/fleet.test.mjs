import assert from "node:assert/strict";
import { test } from "node:test";

import { recordChanges } from "../../gateway/static/dashboard/fleet_changes.js";
import {
  DEFAULT_SORT,
  filterAndSort,
  formatSort,
  parseSort,
  toggleSort,
} from "../../gateway/static/dashboard/fleet_sort.js";
import {
  applyFleetReading,
  clockOf,
  createFleet,
} from "../../gateway/static/dashboard/fleet_state.js";
import { sinceText } from "../../gateway/static/dashboard/fleet_texts.js";
import { indexAfterKey } from "../../gateway/static/dashboard/roving_tabindex.js";
import {
  addSpeed,
  createSpeedRing,
  endOfSpeeds,
  fillSpeeds,
  SPEED_POINTS,
  speedLines,
} from "../../gateway/static/dashboard/speed_ring.js";
import { timeText } from "../../gateway/static/dashboard/times.js";
import { visibleRows, withFocusedRow } from "../../gateway/static/dashboard/virtual_rows.js";

const HOUR_MS = 3_600_000;

/** The speeds of a ring, the oldest first; NaN for seconds without one. */
function speedsOf(ring, end_ms) {
  const speeds = Array(SPEED_POINTS).fill(NaN);
  for (const { place, speed } of speedLines(ring, end_ms, HOUR_MS).flat()) speeds[place] = speed;
  return speeds;
}

function reading(seq, ts_ms, values = {}) {
  return { device_id: "b", epoch: 1, seq, ts_ms, speed_kmh: seq, ...values };
}

function entry(id, kind, speed_kmh, model) {
  return {
    bike: { id, model, reading: speed_kmh === undefined ? undefined : { speed_kmh } },
    kind,
  };
}

const ENTRIES = [
  entry("ebike-10", "online", 12),
  entry("ebike-9", "offline", 30, "Stadtrad"),
  entry("ebike-2", "refused"),
  entry("Zoe", "online", 25),
];

function idsOf(filter, sort) {
  return filterAndSort(ENTRIES, { words: "", kind: "all", ...filter }, sort).map(({ bike }) => bike.id);
}

test("numbers in names sort naturally", () => {
  assert.deepEqual(idsOf({}, DEFAULT_SORT), ["ebike-2", "ebike-9", "ebike-10", "Zoe"]);
});

test("a second press reverses the order", () => {
  const fastest = toggleSort(DEFAULT_SORT, "speed");
  assert.deepEqual(idsOf({}, fastest), ["Zoe", "ebike-10", "ebike-2", "ebike-9"]);
  assert.deepEqual(idsOf({}, toggleSort(fastest, "speed")), ["ebike-10", "Zoe", "ebike-2", "ebike-9"]);
});

test("refused bikes sort first by state", () => {
  assert.deepEqual(idsOf({}, toggleSort(DEFAULT_SORT, "state")), [
    "ebike-2",
    "ebike-10",
    "Zoe",
    "ebike-9",
  ]);
});

test("filter by name, model and state", () => {
  assert.deepEqual(idsOf({ words: " STADT 9 " }, DEFAULT_SORT), ["ebike-9"]);
  assert.deepEqual(idsOf({ kind: "online", words: "ebike" }, DEFAULT_SORT), ["ebike-10"]);
});

test("an order is saved as text", () => {
  const sort = toggleSort(DEFAULT_SORT, "speed");
  assert.deepEqual(parseSort(formatSort(sort)), sort);
  for (const word of [null, "", "wheels-", "__proto__+"]) assert.equal(parseSort(word), DEFAULT_SORT);
});

/** A fleet that starts with these entries. */
function begunWith(...entries) {
  const fleet = createFleet();
  assert.equal(recordChanges(fleet, entries, 0), null);
  return fleet;
}

function toldOf({ changes }) {
  return changes.items.map(({ ids, kind }) => `${ids.join()} ${kind}`);
}

test("changes of state are reported", () => {
  const fleet = begunWith(entry("a", "online"));
  const later = [entry("a", "online"), entry("b", "online")];
  assert.equal(recordChanges(fleet, later, 1), "b is new.");
  assert.equal(recordChanges(fleet, [entry("a", "offline"), later[1]], 2), "a is offline.");
  assert.equal(recordChanges(fleet, later, 3), "a is online.");
  assert.deepEqual(toldOf(fleet), ["a online", "a offline", "b new"]);
  assert.equal(recordChanges(begunWith(), [entry("a", "online")], 1), "a is new.");
});

test("a lost connection is no change", () => {
  const fleet = begunWith(entry("a", "online"));
  for (const kind of ["unknown", "online"]) {
    assert.equal(recordChanges(fleet, [entry("a", kind)], 0), null);
  }
  const after = [entry("a", "online"), entry("b", "online")];
  assert.equal(recordChanges(fleet, [entry("a", "unknown")], 1), null);
  assert.equal(recordChanges(fleet, after, 2), "b is new.");
});

test("an offline bike has its last time", () => {
  const fleet = begunWith(entry("a", "online"));
  const bike = { id: "a", heard_ms: 7_000, reading: { ts_ms: 6_000 } };
  recordChanges(fleet, [{ bike, kind: "offline" }], 10_000);
  assert.equal(fleet.changes.items[0].at_ms, 7_000);
  assert.equal(sinceText(bike, undefined, 10_000), timeText(7_000));
});

test("simultaneous changes are one item", () => {
  const all = (kind, many) =>
    Array.from({ length: 200 }, (_, i) => entry(`b${199 - i}`, i < many ? kind : "online"));
  const fleet = begunWith(...all("online", 0));
  assert.equal(recordChanges(fleet, all("offline", 150), 1), "Bikes that changed: 150 offline.");
  assert.equal(recordChanges(fleet, all("offline", 200), 1_001), "Bikes that changed: 50 offline.");
  assert.equal(fleet.changes.items.length, 1);
  assert.equal(fleet.changes.items[0].ids.length, 200);
  assert.deepEqual(fleet.changes.items[0].ids.slice(0, 2), ["b50", "b51"]);
  recordChanges(fleet, all("online", 0), 60_000);
  assert.deepEqual(fleet.changes.items.map(({ kind }) => kind), ["online", "offline"]);
});

test("only the last five changes are kept", () => {
  const fleet = begunWith(entry("a", "online"));
  for (let i = 1; i < 9; i += 1) recordChanges(fleet, [entry("a", i % 2 ? "offline" : "online")], i);
  assert.equal(fleet.changes.items.length, 5);
});

test("only rows near the window exist", () => {
  assert.deepEqual(visibleRows(200, 900, 56, 500), [0, 21]);
  assert.deepEqual(visibleRows(-27_100, 900, 56, 500), [475, 500]);
  assert.deepEqual(visibleRows(200, 900, 56, 3), [0, 3]);
});

test("the focused row always exists", () => {
  assert.deepEqual(withFocusedRow([40, 60], 45), [[40, 60]]);
  assert.deepEqual(withFocusedRow([40, 60], -1), [[40, 60]]);
  assert.deepEqual(withFocusedRow([40, 60], 3), [
    [3, 4],
    [40, 60],
  ]);
  assert.deepEqual(withFocusedRow([40, 60], 60), [
    [40, 60],
    [60, 61],
  ]);
});

test("keys move within the list", () => {
  const after = (key, more) => indexAfterKey({ key, ...more }, 3, 20, 10);
  const keys = ["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End"];
  assert.deepEqual(keys.map((key) => after(key)), [4, 2, 13, 0, 0, 19]);
  assert.equal(indexAfterKey({ key: "ArrowDown" }, 19, 20, 10), 19);
  assert.equal(after("a"), null);
  assert.equal(after("toString"), null);
  assert.equal(after("End", { ctrlKey: true }), null);
});

test("one speed a second, gaps unknown", () => {
  const spark = createSpeedRing();
  addSpeed(spark, 10, 1_000_000);
  addSpeed(spark, 11, 1_000_500);
  addSpeed(spark, 12, 1_002_000);
  const points = speedsOf(spark, 1_003_000);
  assert.equal(points.length, SPEED_POINTS);
  assert.deepEqual(points.slice(-5), [NaN, 11, NaN, 12, NaN]);
  assert.ok(speedsOf(spark, 2_000_000).every(Number.isNaN));
  assert.ok(speedsOf(createSpeedRing(), 1_000).every(Number.isNaN));
});

test("history fills only empty seconds", () => {
  const spark = createSpeedRing();
  addSpeed(spark, 12, 1_002_000);
  const seconds = [100, 1_000, 1_002, 1_003];
  fillSpeeds(
    spark,
    seconds.map((s) => ({ ts_ms: s * 1000 - HOUR_MS, speed_kmh: 7 })),
    HOUR_MS,
    1_002_500,
  );
  assert.deepEqual(speedsOf(spark, 1_003_000).slice(-4), [7, NaN, 12, NaN]);
});

test("sparkline of an offline bike", () => {
  const spark = createSpeedRing();
  fillSpeeds(
    spark,
    [1_000, 1_001].map((s) => ({ ts_ms: s * 1000, speed_kmh: s })),
    0,
  );
  const end_ms = endOfSpeeds(spark, false, 9_000_000);
  assert.equal(end_ms, 1_011_000);
  assert.deepEqual(speedsOf(spark, end_ms).slice(-13, -9), [NaN, 1_000, 1_001, NaN]);
  assert.equal(endOfSpeeds(spark, false, 1_003_000), 1_003_000);
  assert.equal(endOfSpeeds(spark, true, 9_000_000), 9_000_000);
  addSpeed(spark, 5, 990_000); // the bike is back; its clock was fast
  assert.deepEqual(speedsOf(spark, 990_000).slice(-2), [NaN, 5]);
});

test("removed bikes leave nothing behind", () => {
  const fleet = createFleet();
  applyFleetReading(fleet, reading(1, 1_000), 1_000);
  assert.equal(fleet.clocks.get("b"), clockOf(fleet, "b"));
  fleet.bikes.delete("b");
  for (const id of ["c", "d"]) applyFleetReading(fleet, reading(1, 1_000, { device_id: id }), 1_000);
  for (const kept of [fleet.speeds, fleet.clocks])
    assert.deepEqual([...kept.keys()].slice(-2), ["c", "d"]);
});
