/** What happened before the page was open: what to ask the gateway, and what its answer says. Pure. */

const CSV = "format=csv&times=utc";
const MARGIN = 0.5; // of the span shown: the past is there before somebody moves to it
const POINTS = 1_500; // about a point a pixel, and 500 kB on the way
const SLACK_S = 2; // the first reading of a window is rarely at its very edge
const SEEN_PARTS = 50; // of the span shown: a hole that can be seen at its edge
const SILENCE_S = 5; // as in the track, where no point was left out

/**
 * Nothing was asked yet. `from` is how far back was asked, `oldest` the time of the oldest reading
 * anybody keeps, null while nobody said; `isAsking` while an answer is due.
 */
export const NOTHING_ASKED = Object.freeze({ from: Infinity, oldest: null, isAsking: false });

/** Ask again, of a gateway or a bike that came back; what is known of the oldest reading stays. */
export function askedAnew({ oldest }) {
  return { ...NOTHING_ASKED, oldest };
}

/**
 * The span to ask for, `{from, to}` in seconds of the reader's clock; null when all that the
 * charts show is there, or was asked for.
 */
export function missingSpan(past, first, [from, to]) {
  const end = first ?? to;
  const isKnown = past.from < Infinity && past.oldest >= end - SLACK_S; // nobody keeps more
  if (past.isAsking || isKnown || from >= end - SLACK_S || from >= past.from) return null;
  return { from: from - (to - from) * MARGIN, to: end };
}

/** The address to ask for what is drawn; the bike's clock is `offset_ms` behind the reader's. */
export function pastUrl(id, span, offset_ms) {
  return `${spanUrl(id, span, offset_ms)}&max_points=${POINTS}`;
}

/** Where every reading of a span can be fetched as CSV. */
export function spanCsvUrl(id, span, offset_ms) {
  return `${spanUrl(id, span, offset_ms)}&${CSV}`;
}

/** Where the oldest reading that is kept of a bike can be fetched. */
export function oldestUrl(id) {
  return `${readingsUrl(id)}?from_ms=0&limit=1`;
}

/** Where all that is kept of a bike can be fetched as CSV. */
export function allCsvUrl(id) {
  return `${readingsUrl(id)}?from_ms=0&${CSV}`;
}

/**
 * Make rows of an answer, those strictly between two times, with breaks where the gateway names
 * a gap or the bike was silent, also until `before`, where what is known goes on.
 */
export function rowsOf({ readings, gaps }, offset_ms, after, before) {
  const rows = readings
    .map((reading) => ({ t: (reading.ts_ms + offset_ms) / 1000, reading }))
    .filter(({ t }) => t > after && t < before);
  const span_s = rows.length > 1 ? rows.at(-1).t - rows[0].t : 0;
  const silence_s = SILENCE_S + (2 * span_s) / Math.max(rows.length, 1);
  const broken = rows.flatMap((row, place) => {
    const previous = rows[place - 1];
    const isBroken =
      previous && (row.t - previous.t > silence_s || isGapBetween(gaps, previous, row));
    return isBroken ? [breakBetween(previous.t, row.t), row] : [row];
  });
  const isSilentAtLast = rows.length > 0 && before - rows.at(-1).t > silence_s;
  return isSilentAtLast ? [...broken, breakBetween(rows.at(-1).t, before)] : broken;
}

/** The time of the oldest reading that is kept, here or elsewhere; null while that is not known. */
export function oldestKept({ oldest }, first) {
  return oldest === null || first === null ? null : Math.min(oldest, first);
}

/**
 * What is said of the time before the first reading on the page, if it is in sight: "loading", or
 * "not kept"; null where older readings are kept, and the bike was silent.
 */
export function missingBefore(past, first, [from, to]) {
  const seen_s = Math.min(SLACK_S, (to - from) / SEEN_PARTS);
  if (first !== null && first <= from + seen_s) return null;
  if (past.isAsking || past.from === Infinity) return "loading";
  return first !== null && past.oldest > from + seen_s ? "not kept" : null;
}

function breakBetween(one, other) {
  return { t: (one + other) / 2, reading: null };
}

function spanUrl(id, { from, to }, offset_ms) {
  const from_ms = Math.max(Math.floor(from * 1000 - offset_ms), 0);
  const to_ms = Math.max(Math.ceil(to * 1000 - offset_ms), from_ms);
  return `${readingsUrl(id)}?from_ms=${from_ms}&to_ms=${to_ms}`;
}

function readingsUrl(id) {
  return `/api/v1/devices/${encodeURIComponent(id)}/readings`;
}

function isGapBetween(gaps, { reading: one }, { reading: other }) {
  return gaps.some(({ before }) => {
    const [epoch, seq] = before.split("-").map(Number);
    const isAfterOne = epoch > one.epoch || (epoch === one.epoch && seq > one.seq);
    return isAfterOne && (epoch < other.epoch || (epoch === other.epoch && seq <= other.seq));
  });
}
