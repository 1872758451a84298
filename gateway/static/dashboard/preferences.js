/** The reader's choices, saved in the browser if it allows it. */

const PREFIX = "spoke.";

/** The saved choice; null if there is none. */
export function loadPreference(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null; // storage is disabled
  }
}

export function savePreference(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // storage is disabled or full: the choice applies to this page only
  }
}
