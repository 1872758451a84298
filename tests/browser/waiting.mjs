/** Time limits of the tests, scaled by one factor for slow machines. */

import { setTimeout as delay } from "node:timers/promises";

export const POLL_MS = 20;
export const WAIT_MS = 15_000 * Number(process.env.TEST_TIME_FACTOR ?? 1);

/** Wait until `probe` returns something true, and return it. */
export async function eventually(what, probe, wait_ms = WAIT_MS) {
  const deadline = Date.now() + wait_ms;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what} did not come within ${wait_ms} ms`);
    await delay(POLL_MS);
  }
}
