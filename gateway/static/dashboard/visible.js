/** Which rows of a long list are near enough to the window to exist. Pure. */

const OVERSCAN = 8; // rows beyond each edge: the next one by Tab is there, and scrolling shows no hole

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
