/** Which charts a bike gets: one for each kind of value that its readings carry. Pure. */

const EXTRAS_MAX = 16; // as many as one reading may carry; invented names cannot fill the page

/**
 * `lines` are `{key, label}`; `unit` "speed" is the reader's own. `least` is the smallest span of
 * the vertical axis, `from` where it begins at the latest (null: anywhere), `to` where it ends.
 */
const CHARTS = [
  chart("speed", "Speed", "speed", [["speed_kmh", "Speed"]], { from: 0, least: 30 }),
  chart(
    "power",
    "Power",
    "W",
    [
      ["power_w", "Rider"],
      ["motor_power_w", "Motor"],
    ],
    { from: 0, least: 100 },
  ),
  chart("cadence", "Cadence", "rpm", [["cadence_rpm", "Cadence"]], { from: 0, least: 90 }),
  chart("battery", "Battery", "%", [["battery_pct", "Battery"]], { from: 0, least: 100 }),
  chart("altitude", "Altitude", "m", [["altitude_m", "Altitude"]], { least: 20 }),
  chart("heart-rate", "Heart rate", "bpm", [["heart_rate_bpm", "Heart rate"]], { least: 40 }),
];

/** The charts for a bike whose readings carry `keys`, in the order shown. */
export function chartsFor(keys, extraKeys) {
  const known = CHARTS.filter(({ lines }) => lines.some(({ key }) => keys.has(key)));
  return [...known, ...[...extraKeys].sort().map(extraChart)];
}

/** Note what a reading carries; true when something is new. */
export function noteKeys(reading, keys, extraKeys) {
  const before = keys.size + extraKeys.size;
  for (const key in reading) if (typeof reading[key] === "number") keys.add(key);
  for (const key in reading.extra) {
    const isNumber = typeof reading.extra[key] === "number";
    if (isNumber && extraKeys.size < EXTRAS_MAX) extraKeys.add(key);
  }
  return keys.size + extraKeys.size > before;
}

/** The value of a line in a reading; null where it carries none. */
export function valueOf(reading, { key, isExtra }) {
  const value = isExtra ? reading?.extra?.[key] : reading?.[key];
  return typeof value === "number" ? value : null;
}

/** The vertical axis for values between `low` and `high`: round, and no smaller than it should be. */
export function axisBounds({ from, least }, low, high) {
  if (low === null || high === null) return [from ?? 0, (from ?? 0) + least];
  const bottom = from === null ? low : Math.min(from, low);
  const top = Math.max(high, bottom + least);
  const step = stepOf(top - bottom);
  return [Math.floor(bottom / step) * step, Math.ceil(top / step) * step];
}

/** A quarter of the span, rounded to 1, 2 or 5 of a power of ten. */
function stepOf(span) {
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const digit = span / 4 / power;
  return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

function chart(key, title, unit, lines, { from = null, least }) {
  return Object.freeze({
    key,
    title,
    unit,
    lines: lines.map(([line, label]) => Object.freeze({ key: line, label, isExtra: false })),
    from,
    least,
  });
}

function extraChart(key) {
  const lines = [Object.freeze({ key, label: key, isExtra: true })];
  return Object.freeze({ key: `extra-${key}`, title: key, unit: "", lines, from: null, least: 1 });
}
