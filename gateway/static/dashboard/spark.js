/** The last speeds of a bike in the fleet, one a second, in a ring of fixed size. Pure. */

export const SPARK_POINTS = 90; // a minute and a half, one pixel a second
const STEP_MS = 1_000;
const ENDED_MS = 10_000; // as the charts, it goes on this long after the last reading
const BRIDGED_MIN = 4; // steps: points of an answer that was thinned are so far apart at most
const MISSED = 2.5; // intervals, as in the charts: one reading may be late, two are missing

/** `isPastKnown` says that what came before the page was opened was asked for, and is in it. */
export function createSpark() {
  return { ...createRing(), isPastKnown: false };
}

/**
 * Note a speed that arrived at a time; seconds without one stay empty. `epoch` is the ride it
 * belongs to, `at_ms` when it was measured.
 */
export function addSpeed(spark, speed_kmh, now_ms, { epoch = 0, at_ms = now_ms } = {}) {
  if (spark.slot > slotOf(now_ms)) Object.assign(spark, createRing()); // filled by a clock that is fast
  const slot = slotOf(at_ms);
  clearUntil(spark, slot);
  if (isKept(spark, slot)) put(spark, slot, speed_kmh, epoch);
}

/** Put readings of the past, oldest first and none of them after now, into seconds still empty. */
export function fillSpark(spark, readings, offset_ms, now_ms = Infinity) {
  const past = readings
    .map((reading) => ({ ...reading, slot: slotOf(reading.ts_ms + offset_ms) }))
    .filter(({ slot }) => slot <= slotOf(now_ms));
  if (past.length > 0) clearUntil(spark, past.at(-1).slot);
  for (const { slot, speed_kmh, epoch = 0 } of past) {
    const isEmpty = Number.isNaN(spark.speeds[slot % SPARK_POINTS]);
    if (isKept(spark, slot) && isEmpty) put(spark, slot, speed_kmh, epoch);
  }
}

/** The moment a picture ends with: now, or soon after the last reading of a bike that is silent. */
export function sparkEnd({ slot }, isOnline, now_ms) {
  return isOnline || slot === null ? now_ms : Math.min(now_ms, slot * STEP_MS + ENDED_MS);
}

/** The speeds, oldest first, ending with a moment; NaN where none is known. */
export function sparkPoints(spark, end_ms) {
  return slotsUntil(end_ms).map((slot) => speedAt(spark, slot));
}

/**
 * The lines to draw, each a list of `{place, speed}`: broken between two rides, and where the bike
 * was silent for longer than its own pace explains. `interval_ms` is the interval that it names.
 */
export function sparkLines(spark, end_ms, interval_ms = 0) {
  const points = slotsUntil(end_ms)
    .map((slot, place) => ({
      place,
      speed: speedAt(spark, slot),
      epoch: spark.epochs[slot % SPARK_POINTS],
    }))
    .filter(({ speed }) => !Number.isNaN(speed));
  const bridged = bridgedSteps(points, interval_ms);
  const lines = [];
  points.forEach((point, number) => {
    const last = points[number - 1];
    const goesOn = last?.epoch === point.epoch && point.place - last.place <= bridged;
    if (goesOn) lines.at(-1).push(point);
    else lines.push([point]);
  });
  return lines;
}

/** How many steps a line may go over: by the interval named, and by the usual one between points. */
function bridgedSteps(points, interval_ms) {
  const apart = points.slice(1).map(({ place }, number) => place - points[number].place);
  const usual = apart.sort((a, b) => a - b)[apart.length >> 1] ?? 0;
  return Math.max(BRIDGED_MIN, MISSED * Math.max(usual, interval_ms / STEP_MS));
}

function createRing() {
  return {
    speeds: new Float32Array(SPARK_POINTS).fill(NaN),
    epochs: new Float64Array(SPARK_POINTS),
    slot: null,
  };
}

function put({ speeds, epochs }, slot, speed_kmh, epoch) {
  speeds[slot % SPARK_POINTS] = speed_kmh;
  epochs[slot % SPARK_POINTS] = epoch;
}

function speedAt(spark, slot) {
  return isKept(spark, slot) ? spark.speeds[slot % SPARK_POINTS] : NaN;
}

function isKept({ slot: newest }, slot) {
  return newest !== null && slot >= 0 && slot <= newest && slot > newest - SPARK_POINTS;
}

function slotsUntil(end_ms) {
  const first = slotOf(end_ms) - SPARK_POINTS + 1;
  return Array.from({ length: SPARK_POINTS }, (_, place) => first + place);
}

function slotOf(ms) {
  return Math.floor(ms / STEP_MS);
}

function clearUntil(spark, slot) {
  const from = Math.max(spark.slot ?? slot - 1, slot - SPARK_POINTS) + 1;
  for (let place = from; place <= slot; place += 1) spark.speeds[place % SPARK_POINTS] = NaN;
  spark.slot = Math.max(slot, spark.slot ?? slot);
}
