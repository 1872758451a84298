import assert from "node:assert/strict";
import { test } from "node:test";

import {
  clockOf,
  createFleet,
  takeFleetReading,
} from "../../gateway/static/dashboard/fleet_state.js";
import { sinceWord } from "../../gateway/static/dashboard/fleet_words.js";
import { noteChanges } from "../../gateway/static/dashboard/news.js";
import {
  arrange,
  pressed,
  SORT_DEFAULT,
  sortOf,
  sortWord,
} from "../../gateway/static/dashboard/order.js";
import {
  addSpeed,
  createSpark,
  fillSpark,
  SPARK_POINTS,
  sparkEnd,
  sparkPoints,
} from "../../gateway/static/dashboard/spark.js";
import { placeAfter } from "../../gateway/static/dashboard/roving.js";
import { rowsInSight, withKept } from "../../gateway/static/dashboard/visible.js";
import { clockWord } from "../../gateway/static/dashboard/words.js";

const HOUR_MS = 3_600_000;

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
  return arrange(ENTRIES, { words: "", kind: "all", ...filter }, sort).map(({ bike }) => bike.id);
}

test("bikes are sorted by name as people count", () => {
  assert.deepEqual(idsOf({}, SORT_DEFAULT), ["ebike-2", "ebike-9", "ebike-10", "Zoe"]);
});

test("the first press puts the fastest first, the second turns it round, who is gone is last", () => {
  const fastest = pressed(SORT_DEFAULT, "speed");
  assert.deepEqual(idsOf({}, fastest), ["Zoe", "ebike-10", "ebike-2", "ebike-9"]);
  assert.deepEqual(idsOf({}, pressed(fastest, "speed")), ["ebike-10", "Zoe", "ebike-2", "ebike-9"]);
});

test("sorting by state begins with what needs a hand", () => {
  assert.deepEqual(idsOf({}, pressed(SORT_DEFAULT, "state")), [
    "ebike-2",
    "ebike-10",
    "Zoe",
    "ebike-9",
  ]);
});

test("bikes are found by parts of their names and models, and by state", () => {
  assert.deepEqual(idsOf({ words: " STADT 9 " }, SORT_DEFAULT), ["ebike-9"]);
  assert.deepEqual(idsOf({ kind: "online", words: "ebike" }, SORT_DEFAULT), ["ebike-10"]);
});

test("an order is remembered as a word, and a strange word is the usual order", () => {
  const sort = pressed(SORT_DEFAULT, "speed");
  assert.deepEqual(sortOf(sortWord(sort)), sort);
  for (const word of [null, "", "wheels-", "__proto__+"]) assert.equal(sortOf(word), SORT_DEFAULT);
});

/** A fleet whose news begin with these entries. */
function begunWith(...entries) {
  const fleet = createFleet();
  assert.equal(noteChanges(fleet, entries, 0), null);
  return fleet;
}

function toldOf({ news }) {
  return news.items.map(({ ids, kind }) => `${ids.join()} ${kind}`);
}

test("a bike that comes or goes is told, one heard for the first time as new", () => {
  const fleet = begunWith(entry("a", "online"));
  const later = [entry("a", "online"), entry("b", "online")];
  assert.equal(noteChanges(fleet, later, 1), "b is new.");
  assert.equal(noteChanges(fleet, [entry("a", "offline"), later[1]], 2), "a is offline.");
  assert.equal(noteChanges(fleet, later, 3), "a is online.");
  assert.deepEqual(toldOf(fleet), ["a online", "a offline", "b new"]);
  assert.equal(noteChanges(begunWith(), [entry("a", "online")], 1), "a is new.");
});

test("a lost line to the gateway is no news of bikes, but those that came meanwhile are", () => {
  const fleet = begunWith(entry("a", "online"));
  for (const kind of ["unknown", "online"]) {
    assert.equal(noteChanges(fleet, [entry("a", kind)], 0), null);
  }
  const after = [entry("a", "online"), entry("b", "online")];
  assert.equal(noteChanges(fleet, [entry("a", "unknown")], 1), null);
  assert.equal(noteChanges(fleet, after, 2), "b is new.");
});

test("a bike went when it gave its last sign, also in the news", () => {
  const fleet = begunWith(entry("a", "online"));
  const bike = { id: "a", heard_ms: 7_000, reading: { ts_ms: 6_000 } };
  noteChanges(fleet, [{ bike, kind: "offline" }], 10_000);
  assert.equal(fleet.news.items[0].at_ms, 7_000);
  assert.equal(sinceWord(bike, undefined, 10_000), clockWord(7_000));
});

test("many changes at once are counted, and are one piece of news", () => {
  const all = (kind, many) =>
    Array.from({ length: 200 }, (_, i) => entry(`b${199 - i}`, i < many ? kind : "online"));
  const fleet = begunWith(...all("online", 0));
  assert.equal(noteChanges(fleet, all("offline", 150), 1), "Bikes that changed: 150 offline.");
  assert.equal(noteChanges(fleet, all("offline", 200), 1_001), "Bikes that changed: 50 offline.");
  assert.equal(fleet.news.items.length, 1);
  assert.equal(fleet.news.items[0].ids.length, 200);
  assert.deepEqual(fleet.news.items[0].ids.slice(0, 2), ["b50", "b51"]);
  noteChanges(fleet, all("online", 0), 60_000);
  assert.deepEqual(fleet.news.items.map(({ kind }) => kind), ["online", "offline"]);
});

test("the news stay few", () => {
  const fleet = begunWith(entry("a", "online"));
  for (let i = 1; i < 9; i += 1) noteChanges(fleet, [entry("a", i % 2 ? "offline" : "online")], i);
  assert.equal(fleet.news.items.length, 5);
});

test("only rows near the window exist", () => {
  assert.deepEqual(rowsInSight(200, 900, 56, 500), [0, 21]);
  assert.deepEqual(rowsInSight(-27_100, 900, 56, 500), [475, 500]);
  assert.deepEqual(rowsInSight(200, 900, 56, 3), [0, 3]);
});

test("the row that has the focus exists wherever the list is scrolled to", () => {
  assert.deepEqual(withKept([40, 60], 45), [[40, 60]]);
  assert.deepEqual(withKept([40, 60], -1), [[40, 60]]);
  assert.deepEqual(withKept([40, 60], 3), [
    [3, 4],
    [40, 60],
  ]);
  assert.deepEqual(withKept([40, 60], 60), [
    [40, 60],
    [60, 61],
  ]);
});

test("keys lead from row to row, from page to page and to the ends, and no further", () => {
  const after = (key, more) => placeAfter({ key, ...more }, 3, 20, 10);
  const keys = ["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End"];
  assert.deepEqual(keys.map((key) => after(key)), [4, 2, 13, 0, 0, 19]);
  assert.equal(placeAfter({ key: "ArrowDown" }, 19, 20, 10), 19);
  assert.equal(after("a"), null);
  assert.equal(after("toString"), null);
  assert.equal(after("End", { ctrlKey: true }), null);
});

test("a sparkline ends now, holds one speed a second, and leaves out what is unknown", () => {
  const spark = createSpark();
  addSpeed(spark, 10, 1_000_000);
  addSpeed(spark, 11, 1_000_500);
  addSpeed(spark, 12, 1_002_000);
  const points = sparkPoints(spark, 1_003_000);
  assert.equal(points.length, SPARK_POINTS);
  assert.deepEqual(points.slice(-5), [NaN, 11, NaN, 12, NaN]);
  assert.ok(sparkPoints(spark, 2_000_000).every(Number.isNaN));
  assert.ok(sparkPoints(createSpark(), 1_000).every(Number.isNaN));
});

test("the past fills a sparkline where it is empty, and nowhere else", () => {
  const spark = createSpark();
  addSpeed(spark, 12, 1_002_000);
  const seconds = [100, 1_000, 1_002, 1_003];
  fillSpark(
    spark,
    seconds.map((s) => ({ ts_ms: s * 1000 - HOUR_MS, speed_kmh: 7 })),
    HOUR_MS,
    1_002_500,
  );
  assert.deepEqual(sparkPoints(spark, 1_003_000).slice(-4), [7, NaN, 12, NaN]);
});

test("a bike that was offline from the beginning has the picture of its last readings", () => {
  const spark = createSpark();
  fillSpark(
    spark,
    [1_000, 1_001].map((s) => ({ ts_ms: s * 1000, speed_kmh: s })),
    0,
  );
  const end_ms = sparkEnd(spark, false, 9_000_000);
  assert.equal(end_ms, 1_011_000);
  assert.deepEqual(sparkPoints(spark, end_ms).slice(-13, -9), [NaN, 1_000, 1_001, NaN]);
  assert.equal(sparkEnd(spark, false, 1_003_000), 1_003_000);
  assert.equal(sparkEnd(spark, true, 9_000_000), 9_000_000);
  addSpeed(spark, 5, 990_000); // it is back, by a clock that was fast
  assert.deepEqual(sparkPoints(spark, 990_000).slice(-2), [NaN, 5]);
});

test("what is kept of bikes goes with them", () => {
  const fleet = createFleet();
  takeFleetReading(fleet, reading(1, 1_000), 1_000);
  assert.equal(fleet.clocks.get("b"), clockOf(fleet, "b"));
  fleet.bikes.delete("b");
  for (const id of ["c", "d"]) takeFleetReading(fleet, reading(1, 1_000, { device_id: id }), 1_000);
  for (const kept of [fleet.sparks, fleet.clocks])
    assert.deepEqual([...kept.keys()].slice(-2), ["c", "d"]);
});
