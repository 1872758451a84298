import assert from "node:assert/strict";
import { test } from "node:test";

import { chartsFor } from "../../gateway/static/dashboard/chart_definitions.js";
import { axisLabels, numberText } from "../../gateway/static/dashboard/numbers.js";
import { createScale } from "../../gateway/static/dashboard/scale.js";

const LABEL_MAX = 10; // characters

const [extra] = chartsFor(new Set(), new Set(["x"]));
const [speed] = chartsFor(new Set(["speed_kmh"]), new Set());

test("numbers of any size", () => {
  const words = {
    0: "0",
    4.2: "4.2",
    "-3.25": "-3.25",
    0.0123: "0.0123",
    0.00011634: "0.000116",
    101325: "101,325",
    12345678: "12,345,678",
    4.2e-7: "4.2e-7",
    "-1e-7": "-1e-7",
    0.30000000000000004: "0.3",
    1.5e20: "1.5e20",
    "1e+308": "1e308",
    "-0": "0",
  };
  for (const [value, word] of Object.entries(words)) assert.equal(numberText(Number(value)), word);
});

test("axis labels are short and different", () => {
  assert.deepEqual(axisLabels([0, 10, 20], 10), ["0", "10", "20"]);
  assert.deepEqual(axisLabels([101_325, 101_327.5], 2.5), ["101,325.0", "101,327.5"]);
  assert.deepEqual(axisLabels([0, 2e-7, 4e-7], 2e-7), ["0", "2e-7", "4e-7"]);
  assert.deepEqual(axisLabels([0, 0.0002, 0.0004], 0.0002), ["0.0000", "0.0002", "0.0004"]);
  assert.deepEqual(axisLabels([12_345_678.5, 12_345_679], 0.5), ["…45,678.5", "…45,679.0"]);
  assert.deepEqual(axisLabels([1e20, 1.5e20], 5e19), ["1e20", "1.5e20"]);
  assert.deepEqual(axisLabels([-0.5, 0], 0.5), ["-0.5", "0.0"]);
});

const RANGES = [
  [101_325, 101_331],
  [100_000, 999_999],
  [12_345_678, 12_345_700],
  [0, 8e-7],
  [1e-7, 1.1e-7],
  [0.0004, 0.0008],
  [-1e-9, 1e-9],
  [5, 5],
  [0, 0],
  [-7, -7],
  [1e-300, 2e-300],
  [1.7e12, 1.7e12 + 60_000],
  [1e15, 1e15 + 8],
  [9e20, 9.1e20],
  [-1.7e308, 1.7e308],
  [4e9, 4e9],
  [-3.25, -3.25],
];

for (const [low, high] of RANGES) {
  test(`axis from ${low} to ${high}`, () => {
    const { top, toPlot, labels: labelsOf } = createScale(extra, low, high);
    assert.ok(top >= 1 && top <= 12, `${top} steps`);
    for (const every of [0.5, 1, 2]) {
      const marks = Array.from({ length: Math.floor(top / every) + 1 }, (_, i) => i * every);
      const labels = labelsOf(marks, every);
      assert.equal(new Set(labels).size, labels.length, labels.join(" "));
      assert.ok(Math.max(...labels.map((word) => word.length)) <= LABEL_MAX, labels.join(" "));
    }
    if (Math.abs(high) > 1e300) return; // beyond the limit of an axis
    for (const value of [low, high]) assert.ok(toPlot(value) >= -1e-6 && toPlot(value) <= top + 1e-6);
    if (low === high) assert.ok(Math.abs(toPlot(low) / top - 0.5) <= 0.25, "about the middle");
    else assert.ok((toPlot(high) - toPlot(low)) / top > 0.3, "most of the height");
  });
}

test("axis labels of a speed", () => {
  const { top, labels, toPlot } = createScale(speed, 0, 47);
  assert.deepEqual(labels([0, 1, 2, 3], 1), ["0", "20", "40", "60"]);
  assert.deepEqual([top, toPlot(30)], [3, 1.5]);
  assert.deepEqual(createScale(speed, null, null).labels([0, 1], 1), ["0", "10"]);
});
