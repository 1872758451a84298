/**
 * Counts of the open bike: readings received, gaps, and readings lost in them. Pure.
 *
 * `restart` is the last change of the epoch, `{at_ms, isBack}`: its time, and whether the new epoch is
 * an older one. It is null if there was none.
 */

export const EMPTY_TALLY = Object.freeze({
  received: 0,
  first: null,
  last: null,
  gaps: 0,
  lost: 0,
  epoch: null,
  restart: null,
});

/** Count a reading that was measured at `at_ms`; `first` and `last` are cursors. */
export function countReading(tally, { epoch, seq }, at_ms) {
  const last = `${epoch}-${seq}`;
  const isSame = tally.epoch === null || tally.epoch === epoch;
  const restart = isSame ? tally.restart : { at_ms, isBack: epoch < tally.epoch };
  return { ...tally, received: tally.received + 1, first: tally.first ?? last, last, epoch, restart };
}

/** Count a gap. One before the first reading is not counted: there the gateway's history begins. */
export function countGap(tally, { lost }) {
  if (tally.received === 0) return tally;
  return { ...tally, gaps: tally.gaps + 1, lost: tally.lost + (lost ?? 0) };
}
