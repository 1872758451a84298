/** Frames, delays and rate limits of the page. */

const RETRY_DELAYS_MS = [1_000, 2_000, 4_000, 8_000, 16_000]; // a bike's journal may be slow

/**
 * Make one frame loop for the whole page; it stops while nothing changes.
 * @param {(now_ms: number) => boolean} draw called once a frame; true requests the next frame
 * @returns {() => void} requests a frame
 */
export function createFrameLoop(draw) {
  let frame = 0;
  function run(now_ms) {
    frame = 0;
    if (draw(now_ms)) request();
  }
  function request() {
    frame ||= requestAnimationFrame(run);
  }
  return request;
}

/** Return a function that runs `call` once it was not called again for `rest_ms`. */
export function debounce(call, rest_ms) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, rest_ms);
  };
}

export function sleep(wait_ms) {
  return new Promise((resume) => setTimeout(resume, wait_ms));
}

/** The delay before the next attempt, after so many attempts; undefined when it is time to give up. */
export function retryDelay(attempts) {
  return RETRY_DELAYS_MS[attempts - 1];
}

/** Allow something at most every `every_ms`; `isDue` returns true and starts the next interval. */
export function createThrottle(every_ms) {
  let last_ms = -Infinity;
  return {
    isDue(now_ms) {
      if (now_ms - last_ms < every_ms) return false;
      last_ms = now_ms;
      return true;
    },
    invalidate: () => (last_ms = -Infinity),
  };
}
