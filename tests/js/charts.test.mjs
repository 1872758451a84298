import assert from "node:assert/strict";
import { test } from "node:test";

import { chartsFor, noteKeys, valueOf } from "../../gateway/static/dashboard/chart_definitions.js";
import { chartLabel, pointText } from "../../gateway/static/dashboard/chart_labels.js";
import { createScale } from "../../gateway/static/dashboard/scale.js";
import { gaugeMax, unitOf } from "../../gateway/static/dashboard/units.js";

const [KMH, MPH] = [unitOf("kmh"), unitOf("mph")];

function reading(seq, ts_ms, values = {}) {
  return { device_id: "b", epoch: 1, seq, ts_ms, speed_kmh: seq, ...values };
}

test("a unit that nobody knows is km/h", () => {
  for (const key of [null, undefined, "", "knots", "__proto__"])
    assert.equal(unitOf(key), KMH);
  assert.equal(unitOf("mph"), MPH);
});

test("the gauge's scale fits the speed", () => {
  assert.deepEqual(
    [0, 50, 51, 76, 199].map((speed) => gaugeMax(speed, KMH)),
    [50, 50, 75, 100, 200],
  );
  assert.equal(gaugeMax(48, MPH), 30);
});

test("one chart for each kind of value", () => {
  const [keys, extraKeys] = [new Set(), new Set()];
  assert.equal(
    noteKeys(reading(1, 1, { motor_power_w: 5, extra: { b: 1, a: 2, c: "x" } }), keys, extraKeys),
    true,
  );
  assert.equal(noteKeys(reading(2, 2), keys, extraKeys), false);
  assert.deepEqual(
    chartsFor(keys, extraKeys).map(({ key }) => key),
    ["speed", "power", "extra-a", "extra-b"],
  );
});

test("extra charts are limited", () => {
  const [keys, extraKeys] = [new Set(), new Set()];
  for (let i = 0; i < 100; i += 1) noteKeys({ extra: { [`key_${i}`]: i } }, keys, extraKeys);
  assert.equal(chartsFor(keys, extraKeys).length, 16);
});

test("a value is a number or nothing", () => {
  const line = { key: "tyre", isExtra: true };
  assert.equal(valueOf({ extra: { tyre: 4 } }, line), 4);
  for (const one of [{ extra: { tyre: "flat" } }, {}, undefined, null])
    assert.equal(valueOf(one, line), null);
});

test("an axis is round and large enough", () => {
  const speed = { from: 0, least: 30 };
  const axisEnds = (definition, low, high) => {
    const { top, labels } = createScale(definition, low, high);
    return labels([0, top], 1).map(Number);
  };
  assert.deepEqual(axisEnds(speed, 3, 12), [0, 30]);
  assert.deepEqual(axisEnds(speed, 0, 47), [0, 60]);
  assert.deepEqual(axisEnds({ from: 0, least: 100 }, -150, 250), [-200, 300]);
  assert.deepEqual(axisEnds({ from: null, least: 20 }, 403, 404), [400, 425]);
  assert.deepEqual(axisEnds(speed, null, null), [0, 30]);
});

test("texts of a chart for screen readers", () => {
  const charts = chartsFor(new Set(["speed_kmh"]), new Set(["x"])).map((definition) => ({ definition }));
  const rows = [
    { t: 0, reading: { speed_kmh: 10, extra: { x: 4.25 } } },
    { t: 1, reading: null },
    { t: 2, reading: { speed_kmh: 20 } },
  ];
  const view = { from: 0, to: 60, rows };
  const [speed, x] = charts.map(({ definition }) => chartLabel(definition, view, KMH));
  assert.match(speed, /^Speed, km\/h, 1 min to \d\d:\d\d:00: from 10\.0 to 20\.0$/);
  assert.match(x, /^x, 1 min to .*: from 4\.25 to 4\.25$/);
  assert.match(chartLabel(charts[0].definition, { ...view, rows: [] }, KMH), /: no readings$/);
  assert.match(pointText(charts, rows[0], MPH), /:00\.0: Speed 6\.2, x 4\.25$/);
  assert.match(pointText(charts, rows[2], KMH), /: Speed 20\.0, x –$/);
});
