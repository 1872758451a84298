/** What is kept of the bike shown, and what each reading and gap of it changes. Pure. */

import { createClock, isKnown, observe, offsetOf } from "./clock.js";
import { countArrival, createHealth } from "./health.js";
import { tellInterval } from "./line.js";
import { askedAnew, missingBefore, NOTHING_ASKED, oldestKept } from "./past.js";
import { boundsOf, fitted } from "./range.js";
import { countGap, countReading, EMPTY_TALLY } from "./tally.js";
import { addGap, addReading, createTrack, firstTime, lastTime, shiftTrack } from "./track.js";
import { notHereWord } from "./words.js";

const ENDED_S = 10; // charts go on this long after a bike's last reading: that it stopped is seen

/** `clock` is the bike's own, kept while other bikes are shown; `bike` is what is known of it. */
export function createShown(clock = createClock(), bike = undefined) {
  const shown = {
    clock,
    tally: EMPTY_TALLY,
    track: createTrack(),
    health: createHealth(),
    past: NOTHING_ASKED,
    hole: null,
    latest: null,
    offset_ms: offsetOf(clock),
    isClockKnown: isKnown(clock),
  };
  tellInterval(shown.track.line, bike?.interval_ms);
  return shown;
}

/** Take a status; `bike` is what was known before. A bike of another model makes another ride. */
export function takeShownStatus(shown, bike, { online, model, interval_ms }) {
  if (online && !bike?.online) askAgain(shown);
  if (bike?.model !== undefined && model !== bike.model) addGap(shown.track);
  tellInterval(shown.track.line, interval_ms);
}

/** Take a reading that arrived; true when it is the first after a gap. */
export function takeShownReading(shown, reading, arrival_ms) {
  observeClock(shown, reading, arrival_ms);
  const own_ms = reading.ts_ms + shown.offset_ms;
  addReading(shown.track, reading, own_ms / 1000);
  shown.tally = countReading(shown.tally, reading);
  countArrival(shown.health, arrival_ms, arrival_ms - own_ms);
  const endsHole = shown.hole !== null;
  if (endsHole) shown.hole = { ...shown.hole, to: own_ms / 1000 };
  return endsHole;
}

/**
 * Learn from a reading of now. Until the clock of a ride is known, that of the last one counts;
 * then the rows that are there already move with it.
 */
function observeClock(shown, reading, arrival_ms) {
  const { clock, offset_ms, isClockKnown: wasKnown } = shown;
  observe(clock, reading, arrival_ms); // as the fleet may have done with this reading
  shown.isClockKnown = isKnown(clock);
  if (shown.isClockKnown) shown.offset_ms = offsetOf(clock);
  const by_s = (shown.offset_ms - offset_ms) / 1000;
  if (wasKnown || by_s === 0) return;
  shiftTrack(shown.track, by_s);
  shown.past = askedAnew({ oldest: shown.past.oldest && shown.past.oldest + by_s });
}

/** Take a gap: the line breaks, and the past may know better once the next reading is there. */
export function takeShownGap(shown, gap) {
  const from = lastTime(shown.track);
  addGap(shown.track);
  shown.tally = countGap(shown.tally, gap);
  if (from !== null) shown.hole ??= { from };
}

/**
 * Take the answer to a subscription: where the stream begins, and a newest reading not of it. That
 * of a bike that is silent is its last one: the charts end soon after it.
 */
export function takeShownAnswer(shown, { online, latest }, arrival_ms) {
  shown.latest = latest;
  if (online && latest) observeClock(shown, latest, arrival_ms);
  if (!online && latest && lastTime(shown.track) === null) {
    addReading(shown.track, latest, (latest.ts_ms + shown.offset_ms) / 1000);
  }
  askAgain(shown);
}

/** Ask for the past once more: a bike that is back answers for what its journal has. */
export function askAgain(shown) {
  shown.past = askedAnew(shown.past);
}

/** Why there is nothing of a bike on the page, where that is for want of a gateway; else null. */
export function whyNotHere(id, link, { track }) {
  return lastTime(track) === null ? notHereWord(id, link) : null;
}

/** The newest moment of the charts: now, or soon after the last reading of a bike that is silent. */
export function momentOf({ track, latest, offset_ms }, isOnline, now_s) {
  const last = lastTime(track) ?? (latest && (latest.ts_ms + offset_ms) / 1000);
  return isOnline || last === null ? now_s : Math.min(now_s, last + ENDED_S);
}

/**
 * What is in sight of a range: the `window` asked for, the `bounds` shown, and between which times
 * they may be moved; `missing` is what is said of the time before `first`.
 */
export function sightOf({ past, track }, range, now) {
  const window = boundsOf(range, now);
  const first = firstTime(track);
  const oldest = oldestKept(past, first);
  const bounds = fitted(range, window, oldest);
  const missing = missingBefore(past, first, window);
  return { range, window, bounds, first, oldest: oldest ?? first ?? now, now, missing };
}
