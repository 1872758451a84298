/**
 * The recent speeds of a bike, one a second, for its sparkline. Pure; bounded.
 *
 * How it works. A ring buffer holds 90 seconds. A second has a slot at its number modulo 90; seconds
 * without a speed hold NaN. `slot` is the newest second; older slots are cleared when it moves on.
 */

import { END_AFTER_S, MISSED_INTERVALS } from "./silence.js";

export const SPEED_POINTS = 90; // a minute and a half, one pixel a second
const STEP_MS = 1_000;
const BRIDGED_MIN = 4; // steps: the greatest distance between points of a thinned answer

/** `isHistoryLoaded` means that the ring contains what the gateway had before the page opened. */
export function createSpeedRing() {
  return { ...emptyRing(), isHistoryLoaded: false };
}

/**
 * Add a speed that arrived at `now_ms`. `epoch` identifies the ride, `at_ms` is the time of
 * measurement.
 */
export function addSpeed(ring, speed_kmh, now_ms, { epoch = 0, at_ms = now_ms } = {}) {
  const isFromFuture = ring.slot > slotOf(now_ms); // a fast clock filled the ring
  if (isFromFuture) Object.assign(ring, emptyRing());
  const slot = slotOf(at_ms);
  clearUntil(ring, slot);
  if (isKept(ring, slot)) put(ring, slot, speed_kmh, epoch);
}

/** Fill empty seconds from readings of the past, the oldest first; ignore those after `now_ms`. */
export function fillSpeeds(ring, readings, offset_ms, now_ms = Infinity) {
  const past = readings
    .map((reading) => ({ ...reading, slot: slotOf(reading.ts_ms + offset_ms) }))
    .filter(({ slot }) => slot <= slotOf(now_ms));
  if (past.length > 0) clearUntil(ring, past.at(-1).slot);
  for (const { slot, speed_kmh, epoch = 0 } of past) {
    const isEmpty = Number.isNaN(ring.speeds[slot % SPEED_POINTS]);
    if (isKept(ring, slot) && isEmpty) put(ring, slot, speed_kmh, epoch);
  }
}

/** The right end of a sparkline: now, or soon after the last reading of a silent bike. */
export function endOfSpeeds({ slot }, isOnline, now_ms) {
  if (isOnline || slot === null) return now_ms;
  return Math.min(now_ms, slot * STEP_MS + END_AFTER_S * 1000);
}

/**
 * The lines to draw, each a list of `{place, speed}`; place 0 is the oldest second. A line breaks
 * between two rides, and where the bike was silent for longer than its interval explains.
 * `interval_ms` is the interval that the bike states.
 */
export function speedLines(ring, end_ms, interval_ms = 0) {
  const first = slotOf(end_ms) - SPEED_POINTS + 1;
  const points = Array.from({ length: SPEED_POINTS }, (_, place) => ({
    place,
    speed: speedAt(ring, first + place),
    epoch: ring.epochs[(first + place) % SPEED_POINTS],
  })).filter(({ speed }) => !Number.isNaN(speed));
  const bridged = bridgedSteps(points, interval_ms);
  const lines = [];
  points.forEach((point, number) => {
    const last = points[number - 1];
    const continues = last?.epoch === point.epoch && point.place - last.place <= bridged;
    if (continues) lines.at(-1).push(point);
    else lines.push([point]);
  });
  return lines;
}

/** How many steps a line may cross: by the stated interval, and by the usual distance of points. */
function bridgedSteps(points, interval_ms) {
  const distances = points.slice(1).map(({ place }, number) => place - points[number].place);
  const usual = distances.sort((a, b) => a - b)[distances.length >> 1] ?? 0;
  return Math.max(BRIDGED_MIN, MISSED_INTERVALS * Math.max(usual, interval_ms / STEP_MS));
}

function emptyRing() {
  return {
    speeds: new Float32Array(SPEED_POINTS).fill(NaN),
    epochs: new Float64Array(SPEED_POINTS),
    slot: null,
  };
}

function put({ speeds, epochs }, slot, speed_kmh, epoch) {
  speeds[slot % SPEED_POINTS] = speed_kmh;
  epochs[slot % SPEED_POINTS] = epoch;
}

function speedAt(ring, slot) {
  return isKept(ring, slot) ? ring.speeds[slot % SPEED_POINTS] : NaN;
}

function isKept({ slot: newest }, slot) {
  return newest !== null && slot >= 0 && slot <= newest && slot > newest - SPEED_POINTS;
}

function slotOf(ms) {
  return Math.floor(ms / STEP_MS);
}

/** Clear the slots between the newest second and `slot`, which becomes the newest. */
function clearUntil(ring, slot) {
  const from = Math.max(ring.slot ?? slot - 1, slot - SPEED_POINTS) + 1;
  for (let place = from; place <= slot; place += 1) ring.speeds[place % SPEED_POINTS] = NaN;
  ring.slot = Math.max(slot, ring.slot ?? slot);
}
