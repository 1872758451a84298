/** What happened before the page was open: what to ask the gateway, and what its answer says. Pure. */

import { breakBetween, createLine, extendLine, isSetBack, silenceOf, tellInterval } from "./line.js";

const CSV = "format=csv&times=utc";
const MARGIN = 0.5; // of the span shown: the past is there before somebody moves to it
const POINTS = 1_500; // about a point a pixel, and 500 kB on the way
const SLACK_S = 2; // the first reading of a window is rarely at its very edge
const WAITS_MS = [1_000, 2_000, 4_000, 8_000, 16_000]; // a bike's journal is asked ever less often
const SEEN_PARTS = 50; // of the span shown: a hole that can be seen at its edge

/**
 * Nothing was asked yet. `from` is how far back was asked, `oldest` the time of the oldest reading
 * anybody keeps, null while nobody said; `isAsking` while an answer is due; `isIncomplete` when the
 * bike's journal could not be asked, however often the page tried.
 */
export const NOTHING_ASKED = Object.freeze({
  from: Infinity,
  oldest: null,
  isAsking: false,
  isIncomplete: false,
});

/** How long to wait after so many incomplete answers; undefined when it is time to give up. */
export function waitBefore(asked) {
  return WAITS_MS[asked - 1];
}

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
export function pastUrl(id, span, offset_ms, points = POINTS) {
  return `${spanUrl(id, span, offset_ms)}&max_points=${points}`;
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
 * a gap, another ride begins, or the bike was silent, also at the end, where known rows go on at
 * `before`. `interval_ms` is the interval that the bike names, if it names one.
 */
export function rowsOf({ readings, gaps }, offset_ms, after, before, interval_ms) {
  const thinned_s = spacingOf(readings);
  const line = createLine(thinned_s);
  tellInterval(line, interval_ms);
  const rows = [];
  for (const reading of readings) addPast(line, rows, gaps, reading, offset_ms);
  const inside = rows.filter(({ t }) => t > after && t < before);
  const last = inside.at(-1);
  const isSilentAtLast = last?.reading && before < Infinity && before - last.t > silenceOf(line) + thinned_s;
  return isSilentAtLast ? [...inside, breakBetween(last, { t: before })] : inside;
}

/** As on the page: times never fall, and a clock that was set back begins another axis. */
function addPast(line, rows, gaps, reading, offset_ms) {
  const t = (reading.ts_ms + offset_ms) / 1000;
  if (rows.length > 0 && isSetBack(rows.at(-1).t, t)) rows.length = 0;
  const last = rows.at(-1);
  const row = { t: Math.max(t, last?.t ?? t), reading };
  extendLine(line, rows, row, last !== undefined && isGapBetween(gaps, last, row));
}

/** How far apart, in seconds, readings of one answer are at most if others were left out of it. */
function spacingOf(readings) {
  if (readings.length === 0) return 0;
  const span_ms = Math.max(readings.at(-1).ts_ms - readings[0].ts_ms, 0);
  return (2 * span_ms) / 1000 / readings.length;
}

/** The rows behind the last break: an incomplete answer is certain of these only. */
export function unbroken(rows) {
  return rows.slice(rows.findLastIndex(({ reading }) => reading === null) + 1);
}

/** The time of the oldest reading that is kept, here or elsewhere; null while that is not known. */
export function oldestKept({ oldest }, first) {
  return oldest === null || first === null ? null : Math.min(oldest, first);
}

/**
 * What is said of the time before the first reading on the page, if it is in sight: "loading",
 * "unanswered", or "not kept"; null where older readings are kept, and the bike was silent.
 */
export function missingBefore(past, first, [from, to]) {
  const seen_s = Math.min(SLACK_S, (to - from) / SEEN_PARTS);
  if (first !== null && first <= from + seen_s) return null;
  if (past.isAsking || past.from === Infinity) return "loading";
  if (past.isIncomplete) return "unanswered";
  return first !== null && past.oldest > from + seen_s ? "not kept" : null;
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
