/** The rows of a long list that exist: those near the window, and the focused one. Pure. */

const OVERSCAN = 8; // extra rows at each edge: scrolling shows no hole

/**
 * The rows `[first, end)` of `count` rows of height `row_px`. The list begins `top_px` below the upper
 * edge of the window (negative after scrolling); the window is `window_px` high.
 */
export function visibleRows(top_px, window_px, row_px, count) {
  const first = Math.floor(-top_px / row_px) - OVERSCAN;
  const end = Math.ceil((window_px - top_px) / row_px) + OVERSCAN;
  const clamp = (place) => Math.min(Math.max(place, 0), count);
  return [clamp(first), clamp(end)];
}

/** The ranges of existing rows, including the focused row, wherever the list is scrolled. */
export function withFocusedRow([first, end], kept) {
  if (kept < 0 || (kept >= first && kept < end)) return [[first, end]];
  const alone = [kept, kept + 1];
  return kept < first ? [alone, [first, end]] : [[first, end], alone];
}
