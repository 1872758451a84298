/** Which charts a bike gets: one for each kind of value in its readings. Pure. */

import { VALUES } from "./values.js";

const EXTRAS_MAX = 16; // the limit for one reading; invented names cannot fill the page

/**
 * `lines` are `{key, label, isExtra}`; the unit "speed" is the reader's choice. `least` is the
 * smallest span of the vertical axis (0: as the values need), `from` its highest start (null: any).
 */
const CHARTS = [
  chart("speed", "Speed", "speed", ["speed_kmh"], { from: 0, least: 30 }),
  chart("power", "Power", "W", ["power_w", "motor_power_w"], { from: 0, least: 100 }),
  chart("cadence", "Cadence", "rpm", ["cadence_rpm"], { from: 0, least: 90 }),
  chart("battery", "Battery", "%", ["battery_pct"], { from: 0, least: 100 }),
  chart("altitude", "Altitude", "m", ["altitude_m"], { least: 20 }),
  chart("heart-rate", "Heart rate", "bpm", ["heart_rate_bpm"], { least: 40 }),
];

/** The charts for a bike whose readings carry these keys, in display order. */
export function chartsFor(keys, extraKeys) {
  const known = CHARTS.filter(({ lines }) => lines.some(({ key }) => keys.has(key)));
  return [...known, ...[...extraKeys].sort().map(extraChart)];
}

/** Add the keys of a reading to the sets; true if one of them is new. */
export function noteKeys(reading, keys, extraKeys) {
  const before = keys.size + extraKeys.size;
  for (const key in reading) if (typeof reading[key] === "number") keys.add(key);
  for (const key in reading.extra) {
    const isNumber = typeof reading.extra[key] === "number";
    if (isNumber && extraKeys.size < EXTRAS_MAX) extraKeys.add(key);
  }
  return keys.size + extraKeys.size > before;
}

/** The value of a line in a reading; null if the reading carries none. */
export function valueOf(reading, { key, isExtra }) {
  const value = isExtra ? reading?.extra?.[key] : reading?.[key];
  return typeof value === "number" ? value : null;
}

function chart(key, title, unit, keys, { from = null, least }) {
  const lines = keys.map((line) => {
    const label = VALUES[line]?.label ?? title; // the speed is no other value
    return Object.freeze({ key: line, label, isExtra: false });
  });
  return Object.freeze({ key, title, unit, lines, from, least });
}

function extraChart(key) {
  const lines = [Object.freeze({ key, label: key, isExtra: true })];
  return Object.freeze({ key: `extra-${key}`, title: key, unit: "", lines, from: null, least: 0 });
}
