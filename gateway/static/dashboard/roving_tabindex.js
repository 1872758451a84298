/** Keyboard navigation in a list that is one stop for Tab. Pure. */

/**
 * @param place the focused row
 * @param page the number of rows in the window
 * @returns {number | null} the row among `count` that a key leads to; null for other keys
 */
export function indexAfterKey({ key, ctrlKey, metaKey, altKey, shiftKey }, place, count, page) {
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
