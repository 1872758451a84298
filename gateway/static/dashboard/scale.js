/**
 * The vertical scale of a chart. Pure.
 *
 * The chart is drawn in steps from the bottom of its axis, and so in numbers of ordinary size. uPlot
 * could not mark an axis of 1e-20 or 1e20.
 */

import { axisOf } from "./channels.js";
import { axisWords } from "./numbers.js";

/**
 * The scale for values between `low` and `high`, null when there are none. `toPlot` turns a value
 * into steps, `top` is how many there are; `words` names marks that are `every` steps apart.
 */
export function createScale(definition, low, high) {
  const { first, last, step } = axisOf(definition, low, high);
  const valueAt = (mark) => Number(((first + mark) * step).toPrecision(16));
  return {
    top: last - first,
    toPlot: (value) => value / step - first,
    words: (marks, every) => axisWords(marks.map(valueAt), every * step),
  };
}
