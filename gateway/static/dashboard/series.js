/** The speeds a chart shows: the last five minutes, with breaks, bounded. Pure. */

export const WINDOW_S = 300;
const WINDOW_SHORTEST_S = 20; // a bike that just started fills the chart, not its right edge
const POINTS_MAX = 30_000; // five minutes at 100 Hz, the fastest bike worth drawing
const TRIM_POINTS = 500; // cut in slices: moving the arrays for each reading would cost more
const SILENCE_S = 5; // a line across a longer silence would claim speeds nobody measured
const CLOCK_BACK_S = 5; // a clock set back further starts another time axis

/** A series holds seconds and km/h in step; a null speed breaks the line. */
export function createSeries() {
  return { times: [], speeds: [], broken: false };
}

/** Append a reading; `ts_ms` is on the bike's clock. */
export function addReading(series, { ts_ms, speed_kmh }) {
  const time = ts_ms / 1000;
  const last = series.times.at(-1) ?? time;
  if (time < last - CLOCK_BACK_S) clear(series);
  else if (series.broken || time - last > SILENCE_S) append(series, (last + time) / 2, null);
  append(series, Math.max(time, series.times.at(-1) ?? time), speed_kmh);
  series.broken = false;
  trim(series, time);
}

/** Break the line before the next reading. */
export function addGap(series) {
  series.broken = series.times.length > 0;
}

/** The stretch of time to show, `[from, to]` in seconds, when the newest point is `age_s` old. */
export function visibleRange(series, age_s) {
  const to = (series.times.at(-1) ?? 0) + age_s;
  const span = Math.max(to - (series.times[0] ?? to), WINDOW_SHORTEST_S);
  return [to - Math.min(span, WINDOW_S), to];
}

/** The top of the speed axis: whole tens above the fastest point, 30 km/h at least. */
export function speedAxisMax(fastest_kmh) {
  return Math.max(30, Math.ceil((fastest_kmh + 1) / 10) * 10);
}

function append(series, time, speed) {
  series.times.push(time);
  series.speeds.push(speed);
}

function clear(series) {
  series.times.length = 0;
  series.speeds.length = 0;
}

function trim({ times, speeds }, newest) {
  if (times.length <= POINTS_MAX && !(times[TRIM_POINTS] < newest - WINDOW_S)) return;
  times.splice(0, TRIM_POINTS);
  speeds.splice(0, TRIM_POINTS);
}
