/** Counts of the open bike: readings received, gaps, and readings lost in them. Pure. */

export const EMPTY_TALLY = Object.freeze({
  received: 0,
  first: null,
  last: null,
  gaps: 0,
  lost: 0,
});

/** Count a reading; `first` and `last` are cursors. */
export function countReading(tally, { epoch, seq }) {
  const last = `${epoch}-${seq}`;
  return { ...tally, received: tally.received + 1, first: tally.first ?? last, last };
}

/** Count a gap. One before the first reading is not counted: there the gateway's history begins. */
export function countGap(tally, { lost }) {
  if (tally.received === 0) return tally;
  return { ...tally, gaps: tally.gaps + 1, lost: tally.lost + (lost ?? 0) };
}
