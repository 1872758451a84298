/** Tell screen readers what changed, in a region of its own, and not more often than can be heard. */

const PAUSE_MS = 2_000; // about the time a short sentence takes

/**
 * `tell` is for what happened: what comes during a pause waits, and the newest of it is heard.
 * `answer` is for what somebody asked by a key: it is said at once.
 */
export function createAnnouncer(element) {
  let waiting = null;
  let timer = 0;
  function answer(text) {
    element.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(say, PAUSE_MS);
  }
  function say() {
    timer = 0;
    if (waiting !== null) answer(waiting);
    waiting = null;
  }
  function tell(text) {
    waiting = text;
    if (timer === 0) say();
  }
  return { tell, answer };
}
