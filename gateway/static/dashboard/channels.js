/** Which charts a bike gets: one for each kind of value that its readings carry. Pure. */

const EXTRAS_MAX = 16; // as many as one reading may carry; invented names cannot fill the page

const HUGE = 1e300; // a span of twice that is still a number
const STILL_PART = 0.1; // of a value: the room above and below one that does not change
const FINEST_PART = 1e-15; // of a value: a finer difference is the error of a number

/**
 * `lines` are `{key, label}`; `unit` "speed" is the reader's own. `least` is the smallest span of
 * the vertical axis (0: what the values need), `from` where it begins at the latest (null: anywhere).
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
export function axisBounds(definition, low, high) {
  const { first, last, step } = axisOf(definition, low, high);
  return [first * step, last * step];
}

/** The same axis in steps: from `first * step` to `last * step`, both whole numbers of steps. */
export function axisOf({ from, least }, low, high) {
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

/** An axis for values of any size; one that does not change is a level line in the middle. */
function aroundValues(low, high) {
  const size = Math.max(Math.abs(low), Math.abs(high));
  const finest = size * FINEST_PART;
  if (high - low > finest) return inSteps(low, high);
  const room = size * STILL_PART || 1;
  return inSteps(low - room, high + room);
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
  return Object.freeze({ key: `extra-${key}`, title: key, unit: "", lines, from: null, least: 0 });
}
