/**
 * The vertical axis of a chart. Pure.
 *
 * How it works. An axis is divided into steps of 1, 2 or 5 times a power of ten, and the chart draws
 * values in steps from the bottom. So uPlot gets numbers of ordinary size, also for values of 1e-20
 * or 1e20, where it could not place marks.
 */

import { axisLabels } from "./numbers.js";

const HUGE = 1e300; // values are limited to this: a span of twice that is still finite
const STILL_PART = 0.1; // of a value that does not change: the space above and below its line
const FINEST_PART = 1e-15; // of a value: smaller differences are rounding errors

/**
 * Make the scale for values between `low` and `high`, null if there are none. `toPlot` converts a
 * value to steps, `top` is the number of steps, and `labels` names marks that are `every` steps apart.
 */
export function createScale(definition, low, high) {
  const { first, last, step } = axisOf(definition, low, high);
  const valueAt = (mark) => Number(((first + mark) * step).toPrecision(16));
  return {
    top: last - first,
    toPlot: (value) => value / step - first,
    labels: (marks, every) => axisLabels(marks.map(valueAt), every * step),
  };
}

/** The axis goes from `first * step` to `last * step`, both whole numbers of steps. */
function axisOf({ from, least }, low, high) {
  if (low === null || high === null) return inSteps(from ?? 0, (from ?? 0) + (least || 1));
  const [lowest, highest] = [low, high].map((value) => Math.min(Math.max(value, -HUGE), HUGE));
  if (least === 0) return aroundValues(lowest, highest);
  const bottom = from === null ? lowest : Math.min(from, lowest);
  return inSteps(bottom, Math.max(highest, bottom + least));
}

function inSteps(bottom, top) {
  const step = stepOf(top - bottom);
  return { first: Math.floor(bottom / step), last: Math.ceil(top / step), step };
}

/** An axis for values of any size; a value that does not change is a line in the middle. */
function aroundValues(low, high) {
  const size = Math.max(Math.abs(low), Math.abs(high));
  const finest = size * FINEST_PART;
  if (high - low > finest) return inSteps(low, high);
  const margin = size * STILL_PART || 1;
  return inSteps(low - margin, high + margin);
}

/** A quarter of the span, rounded up to 1, 2, 5 or 10 times a power of ten. */
function stepOf(span) {
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const digit = span / 4 / power;
  return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}
