/** The stretch of time that the charts show: moving with the bike, or held still. Pure. */

/** The windows offered, in seconds. */
export const WINDOWS_S = Object.freeze([60, 300, 600, 1800]);
export const WINDOW_DEFAULT_S = 300;
const SPAN_MIN_S = 5; // below this single readings are far apart
const FITTED_MIN_S = 30; // a ride of a few seconds is not blown up to the whole width
const EDGE_PART = 0.04; // left of the first reading: that nothing is kept there is seen
const SPAN_MAX_S = 21_600; // six hours: what is kept finely enough to be worth drawing

/** Follow the newest reading with a window of `span_s`. */
export function following(span_s) {
  return Object.freeze({ span_s, to: null });
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

/** What to show while nothing is kept before `first`: a ride that just began fills the charts. */
export function fitted(range, [from, to], first) {
  if (!isFollowing(range) || first === null || first <= from) return [from, to];
  const span_s = Math.max(to - first, FITTED_MIN_S) * (1 + EDGE_PART);
  return [Math.max(to - span_s, from), to];
}

/** Move by seconds, to the past where negative; one that reaches the newest moment follows it. */
export function panned(range, by_s, now) {
  const to = boundsOf(range, now)[1] + by_s;
  return to >= now ? following(range.span_s) : Object.freeze({ ...range, to });
}

/** Change the span by a factor, with the moment `at` staying where it is. */
export function zoomed(range, factor, at, now) {
  const span_s = Math.min(Math.max(range.span_s * factor, SPAN_MIN_S), SPAN_MAX_S);
  if (isFollowing(range)) return following(span_s);
  const [from, to] = boundsOf(range, now);
  const end = at + (to - at) * (span_s / (to - from));
  return end >= now ? following(span_s) : Object.freeze({ span_s, to: end });
}
