/** Which rows of a long list exist: those near the window, and the one that has the focus. Pure. */

const OVERSCAN = 8; // rows beyond each edge: scrolling shows no hole

/**
 * The rows `[first, end)` of `count` rows of `row_px`, when the list begins `top_px` below the
 * window's upper edge (negative once it is scrolled) and the window is `window_px` high.
 */
export function rowsInSight(top_px, window_px, row_px, count) {
  const first = Math.floor(-top_px / row_px) - OVERSCAN;
  const end = Math.ceil((window_px - top_px) / row_px) + OVERSCAN;
  const clamp = (place) => Math.min(Math.max(place, 0), count);
  return [clamp(first), clamp(end)];
}

/** The runs of rows that exist when the one at `kept` does, wherever the list is scrolled to. */
export function withKept([first, end], kept) {
  if (kept < 0 || (kept >= first && kept < end)) return [[first, end]];
  const alone = [kept, kept + 1];
  return kept < first ? [alone, [first, end]] : [[first, end], alone];
}
