/** Which part of a bike's past the page has requested, and which part is missing. Pure. */

const MARGIN = 0.5; // of the span shown: loaded in advance, so that a move finds readings
const SLACK_S = 2; // the first reading of a window is rarely exactly at its edge
const VISIBLE_PARTS = 50; // a hole narrower than this fraction of the span cannot be seen

/**
 * Nothing was requested yet. `from` is the earliest time requested; `oldest` the time of the oldest
 * reading that the gateway or the bike has, null while unknown. `isIncomplete` means that the bike's
 * journal did not answer, although the page asked several times.
 */
export const NOT_REQUESTED = Object.freeze({
  from: Infinity,
  oldest: null,
  isLoading: false,
  isIncomplete: false,
});

/** Request everything again after the gateway or the bike came back; keep the oldest time. */
export function requestAgain({ oldest }) {
  return { ...NOT_REQUESTED, oldest };
}

/**
 * The span to request, `{from, to}` in seconds of the reader's clock; null if the page has every
 * reading that the charts show, or has requested it. `first` is the first time on the page.
 */
export function missingSpan(history, first, [from, to]) {
  const end = first ?? to;
  const hasOldest = history.from < Infinity && history.oldest >= end - SLACK_S;
  if (history.isLoading || hasOldest) return null;
  if (from >= end - SLACK_S || from >= history.from) return null;
  return { from: from - (to - from) * MARGIN, to: end };
}

/** The time of the oldest reading anywhere; null while unknown. */
export function oldestTime({ oldest }, first) {
  return oldest === null || first === null ? null : Math.min(oldest, first);
}

/**
 * Why the charts show nothing before the first reading on the page: "loading", "unanswered" or "not
 * kept". Null if nothing is missing, or if older readings exist and the bike was silent.
 */
export function missingReason(history, first, [from, to]) {
  const visible_s = Math.min(SLACK_S, (to - from) / VISIBLE_PARTS);
  if (first !== null && first <= from + visible_s) return null;
  if (history.isLoading || history.from === Infinity) return "loading";
  if (history.isIncomplete) return "unanswered";
  return first !== null && history.oldest > from + visible_s ? "not kept" : null;
}
