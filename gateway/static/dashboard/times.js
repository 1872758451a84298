/** Times and durations in words. Pure. */

/** Format a time of day in the reader's time zone: "14:03:22". */
export function timeText(ts_ms) {
  return new Date(ts_ms).toLocaleTimeString([], { hourCycle: "h23" });
}

/** Format a moment: the time of day, with the day if it is not today. */
export function momentText(ts_ms, now_ms) {
  const dayOf = (ms) => new Date(ms).toLocaleDateString([], { day: "numeric", month: "short" });
  const day = dayOf(ts_ms);
  return day === dayOf(now_ms) ? timeText(ts_ms) : `${day}, ${timeText(ts_ms)}`;
}

/** Format a time of day with tenths of a second: "14:03:22.4". */
export function timeTenthsText(ts_ms) {
  const tenths = Math.round(ts_ms / 100);
  return `${timeText(tenths * 100)}.${tenths % 10}`;
}

/** Label a mark of a time axis; between whole seconds show only the tenths: ".5". */
export function tickText(t_s) {
  const tenths = Math.round(t_s * 10);
  return tenths % 10 === 0 ? timeText(tenths * 100) : `.${tenths % 10}`;
}

/** Format a duration: "850 ms", "2.3 s", "12 s", "3 min 5 s", "1 h 2 min". */
export function durationText(span_ms) {
  if (span_ms < 1_000) return `${Math.round(span_ms)} ms`;
  const seconds = Math.round(span_ms / 1_000);
  if (seconds < 10) return `${(span_ms / 1_000).toFixed(1)} s`;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Format the length of a chart window: "5 min". */
export function windowText(span_s) {
  return span_s < 60 ? `${Math.round(span_s)} s` : `${Math.round(span_s / 6) / 10} min`;
}
