/** The time range of the charts: following the newest reading, or fixed. Pure. */

/** The offered windows, in seconds. */
export const WINDOWS_S = Object.freeze([60, 300, 600, 1800]);
const WINDOW_DEFAULT_S = 300;
const SPAN_MIN_S = 5; // in shorter spans, single readings are far apart
const FITTED_MIN_S = 30; // a ride of a few seconds does not fill the whole width
const EDGE_PART = 0.04; // space before the first reading shows that no earlier one exists
const SPAN_MAX_S = 21_600; // six hours: older readings are kept too sparsely to draw

/** Follow the newest reading. `span_s` changes with zooming; `window_s` is the chosen window. */
export function following(span_s, window_s = span_s) {
  return Object.freeze({ span_s, to: null, window_s });
}

/** Return to now, with the chosen window. */
export function latest({ window_s }) {
  return following(window_s);
}

/** Whether this range is the one that `latest` returns. */
export function isLatest({ span_s, to, window_s }) {
  return to === null && span_s === window_s;
}

/** The given window if it is offered, otherwise the default. */
export function validWindow(span_s) {
  return WINDOWS_S.includes(span_s) ? span_s : WINDOW_DEFAULT_S;
}

export function isFollowing({ to }) {
  return to === null;
}

/** The bounds `[from, to]` in seconds, if the newest moment is `now`. */
export function boundsOf({ span_s, to }, now) {
  const end = to ?? now;
  return [end - span_s, end];
}

/** Shorten the bounds while no reading before `oldest` exists: a new ride fills the charts. */
export function fitToHistory(range, [from, to], oldest) {
  if (!isFollowing(range) || oldest === null || oldest <= from) return [from, to];
  const span_s = Math.max(to - oldest, FITTED_MIN_S) * (1 + EDGE_PART);
  return [Math.max(to - span_s, from), to];
}

/**
 * Move by seconds, negative for the past. A range that reaches the newest moment follows it; no range
 * moves past the oldest reading.
 * @param viewport `{range, oldest, now}`: the times of the oldest reading and of the newest moment
 */
export function panned({ range, oldest, now }, by_s) {
  const [, to] = boundsOf(range, now);
  return endingAt(to + by_s, range.span_s, { range, oldest, now });
}

/**
 * Zoom by a factor, with the moment `at` staying in its place.
 * @param viewport as for `panned`, with the visible `bounds`
 */
export function zoomed({ range, bounds: [from, to], oldest, now }, factor, at) {
  const span_s = Math.min(Math.max((to - from) * factor, SPAN_MIN_S), SPAN_MAX_S);
  // a ride shorter than its window is shown whole: keep the window, the ride grows into it
  const { window_s } = range;
  if (isFollowing(range)) {
    return following(factor > 1 ? Math.max(range.span_s, span_s) : span_s, window_s);
  }
  return endingAt(at + (to - at) * (span_s / (to - from)), span_s, { range, oldest, now });
}

/** A fixed range that ends at `to`, or as near to it as there are readings. */
function endingAt(to, span_s, { range: { window_s }, oldest, now }) {
  const end = Math.max(to, oldest + span_s * (1 - EDGE_PART));
  return end >= now ? following(span_s, window_s) : Object.freeze({ span_s, to: end, window_s });
}
