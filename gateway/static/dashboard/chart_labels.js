/** The titles, values and names of charts. Pure. */

import { valueOf } from "./chart_definitions.js";
import { numberText } from "./numbers.js";
import { timeTenthsText, timeText, windowText } from "./times.js";
import { NONE } from "./values.js";

/** Title of a chart with its unit: "Speed, km/h". */
export function chartTitle({ title, unit }, { speed }) {
  const name = unit === "speed" ? speed : unit;
  return name ? `${title}, ${name}` : title;
}

/** The value of a line at a row, without its unit; a dash if there is none. */
export function chartValue(row, line, { unit, key }, { factor }) {
  const value = valueOf(row?.reading, line);
  if (value === null) return NONE;
  if (unit === "speed") return (value * factor).toFixed(1);
  return isExtra({ key }) ? numberText(value) : value.toFixed(0);
}

/** The values of all charts at a row, for screen readers. */
export function pointText(charts, row, unit) {
  const values = charts.flatMap(({ definition }) =>
    definition.lines.map((line) => `${line.label} ${chartValue(row, line, definition, unit)}`),
  );
  return `${timeTenthsText(row.t * 1000)}: ${values.join(", ")}`;
}

/** The name of a chart for screen readers: title, time range, lowest and highest value. */
export function chartLabel(definition, { from, to, rows }, unit) {
  const values = rows
    .map(({ reading }) => valueOf(reading, definition.lines[0]))
    .filter((value) => value !== null);
  const times = `${windowText(to - from)} to ${timeText(to * 1000)}`;
  const shown = `${chartTitle(definition, unit)}, ${times}`;
  if (values.length === 0) return `${shown}: no readings`;
  const factor = definition.unit === "speed" ? unit.factor : 1;
  const format = (value) => (isExtra(definition) ? numberText(value) : (value * factor).toFixed(1));
  const low = values.reduce((one, other) => Math.min(one, other));
  const high = values.reduce((one, other) => Math.max(one, other));
  return `${shown}: from ${format(low)} to ${format(high)}`;
}

function isExtra({ key }) {
  return key.startsWith("extra-");
}
