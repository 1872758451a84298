/** What arrived of the bike shown: the proof that nothing is missing, or what is. Pure. */

/** Before anything arrived. */
export const EMPTY_TALLY = Object.freeze({
  received: 0,
  first: null,
  last: null,
  gaps: 0,
  lost: 0,
});

/** Count a reading. */
export function countReading(tally, { epoch, seq }) {
  const last = `${epoch}-${seq}`;
  return { ...tally, received: tally.received + 1, first: tally.first ?? last, last };
}

/** Count a gap; one before the first reading is only where the gateway's history begins. */
export function countGap(tally, { lost }) {
  if (tally.received === 0) return tally;
  return { ...tally, gaps: tally.gaps + 1, lost: tally.lost + (lost ?? 0) };
}
