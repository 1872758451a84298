/** What the reader chose, remembered by the browser; a browser that keeps nothing is fine. */

const PREFIX = "spoke.";

/** What was chosen under `name`; null when nothing was. */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null; // storage is switched off: every page begins anew
  }
}

/** Remember a choice. */
export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // storage is switched off or full: the choice holds for this page
  }
}
