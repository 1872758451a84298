/** Where a key leads in a list that is one stop for Tab. Pure. */

/**
 * @param place where the focus is
 * @param page how many rows are in the window
 * @returns {number | null} where it goes among `count` rows; null for keys that mean nothing there
 */
export function placeAfter({ key, ctrlKey, metaKey, altKey, shiftKey }, place, count, page) {
  if (ctrlKey || metaKey || altKey || shiftKey) return null;
  const places = {
    ArrowDown: place + 1,
    ArrowUp: place - 1,
    PageDown: place + page,
    PageUp: place - page,
    Home: 0,
    End: count - 1,
  };
  if (!Object.hasOwn(places, key)) return null;
  return Math.min(Math.max(places[key], 0), count - 1);
}
