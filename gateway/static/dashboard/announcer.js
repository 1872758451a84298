/** Announce changes to screen readers, no faster than they can be heard. */

const PAUSE_MS = 2_000; // about as long as reading a short sentence takes

/**
 * `announce` is for events: during a pause only the newest one waits. `announceNow` is for answers to a
 * key press.
 */
export function createAnnouncer(element) {
  let waiting = null;
  let timer = 0;
  function announceNow(text) {
    element.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(say, PAUSE_MS);
  }
  function say() {
    timer = 0;
    if (waiting !== null) announceNow(waiting);
    waiting = null;
  }
  function announce(text) {
    waiting = text;
    if (timer === 0) say();
  }
  return { announce, announceNow };
}
