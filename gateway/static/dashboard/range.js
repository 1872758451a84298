/** The stretch of time that the charts show: moving with the bike, or held still. Pure. */

/** The windows offered, in seconds. */
export const WINDOWS_S = Object.freeze([60, 300, 600, 1800]);
export const WINDOW_DEFAULT_S = 300;
const SPAN_MIN_S = 5; // below this single readings are far apart
const FITTED_MIN_S = 30; // a ride of a few seconds is not blown up to the whole width
const EDGE_PART = 0.04; // left of the first reading: that nothing is kept there is seen
const SPAN_MAX_S = 21_600; // six hours: what is kept finely enough to be worth drawing

/** Follow the newest reading with a span that may be zoomed; `window_s` is the window chosen. */
export function following(span_s, window_s = span_s) {
  return Object.freeze({ span_s, to: null, window_s });
}

/** Back to now, with the window chosen. */
export function latest({ window_s }) {
  return following(window_s);
}

/** Whether this is what `latest` leads to. */
export function isLatest({ span_s, to, window_s }) {
  return to === null && span_s === window_s;
}

/** The window remembered, or the default one. */
export function windowOf(span_s) {
  return WINDOWS_S.includes(span_s) ? span_s : WINDOW_DEFAULT_S;
}

export function isFollowing({ to }) {
  return to === null;
}

/** What to show, `[from, to]` in seconds, when the newest moment is `now`. */
export function boundsOf({ span_s, to }, now) {
  const end = to ?? now;
  return [end - span_s, end];
}

/** What to show while nothing is kept before `oldest`: a ride that just began fills the charts. */
export function fitted(range, [from, to], oldest) {
  if (!isFollowing(range) || oldest === null || oldest <= from) return [from, to];
  const span_s = Math.max(to - oldest, FITTED_MIN_S) * (1 + EDGE_PART);
  return [Math.max(to - span_s, from), to];
}

/**
 * Move by seconds, to the past where negative; one that reaches the newest moment follows it, and
 * none goes on to where nothing is kept.
 * @param sight `{range, oldest, now}`: the times of the oldest reading kept and of the newest moment
 */
export function panned({ range, oldest, now }, by_s) {
  const [, to] = boundsOf(range, now);
  return endingAt(to + by_s, range.span_s, { range, oldest, now });
}

/**
 * Change the span by a factor, with the moment `at` staying where it is.
 * @param sight as for `panned`, with the `bounds` that are shown
 */
export function zoomed({ range, bounds: [from, to], oldest, now }, factor, at) {
  const span_s = Math.min(Math.max((to - from) * factor, SPAN_MIN_S), SPAN_MAX_S);
  // a ride that does not fill its window is shown whole: its window stays, and it grows into it
  const { window_s } = range;
  if (isFollowing(range)) {
    return following(factor > 1 ? Math.max(range.span_s, span_s) : span_s, window_s);
  }
  return endingAt(at + (to - at) * (span_s / (to - from)), span_s, { range, oldest, now });
}

/** A span held where it ends at `to`, or as near to it as readings are kept. */
function endingAt(to, span_s, { range: { window_s }, oldest, now }) {
  const end = Math.max(to, oldest + span_s * (1 - EDGE_PART));
  return end >= now ? following(span_s, window_s) : Object.freeze({ span_s, to: end, window_s });
}
