/** One frame at a time for the whole page, and none while nothing changes. */

/**
 * @param {(now_ms: number) => boolean} draw called in a frame; true asks for the next one at once
 * @returns {() => void} asks for a frame
 */
export function createLoop(draw) {
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

/** Call once nothing was asked for `rest_ms`: what is being moved is told when it rests. */
export function createRest(call, rest_ms) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, rest_ms);
  };
}

/** Wait for a time. */
export function pause(wait_ms) {
  return new Promise((resume) => setTimeout(resume, wait_ms));
}

/** Let something happen at most every `every_ms`; `isDue` says whether it is time, and notes it. */
export function createPace(every_ms) {
  let last_ms = -Infinity;
  return {
    isDue(now_ms) {
      if (now_ms - last_ms < every_ms) return false;
      last_ms = now_ms;
      return true;
    },
    hurry: () => (last_ms = -Infinity),
  };
}
