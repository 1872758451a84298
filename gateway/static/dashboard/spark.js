/** The last speeds of a bike in the fleet, one a second, in a ring of fixed size. Pure. */

export const SPARK_POINTS = 90; // a minute and a half, one pixel a second
const STEP_MS = 1_000;
const ENDED_MS = 10_000; // as the charts, it goes on this long after the last reading

/** `isPastKnown` says that what came before the page was opened was asked for, and is in it. */
export function createSpark() {
  return { ...createRing(), isPastKnown: false };
}

/** Note a speed at a time; seconds without one stay empty. */
export function addSpeed(spark, speed_kmh, now_ms) {
  const slot = Math.floor(now_ms / STEP_MS);
  if (spark.slot > slot) Object.assign(spark, createRing()); // filled by a clock that is fast
  clearUntil(spark, slot);
  spark.speeds[spark.slot % SPARK_POINTS] = speed_kmh;
}

/** Put readings of the past, oldest first, into seconds that are still empty. */
export function fillSpark(spark, readings, offset_ms) {
  const slotOf = ({ ts_ms }) => Math.floor((ts_ms + offset_ms) / STEP_MS);
  if (spark.slot === null && readings.length > 0) clearUntil(spark, slotOf(readings.at(-1)));
  const { speeds, slot: newest } = spark;
  for (const reading of readings) {
    const slot = slotOf(reading);
    const isKept = slot <= newest && slot > newest - SPARK_POINTS;
    if (isKept && Number.isNaN(speeds[slot % SPARK_POINTS]))
      speeds[slot % SPARK_POINTS] = reading.speed_kmh;
  }
}

/** The moment a picture ends with: now, or soon after the last reading of a bike that is silent. */
export function sparkEnd({ slot }, isOnline, now_ms) {
  return isOnline || slot === null ? now_ms : Math.min(now_ms, slot * STEP_MS + ENDED_MS);
}

/** The speeds, oldest first, ending with a moment; NaN where none is known. */
export function sparkPoints(spark, end_ms) {
  const end = Math.floor(end_ms / STEP_MS);
  return Array.from({ length: SPARK_POINTS }, (_, place) => {
    const slot = end - SPARK_POINTS + 1 + place;
    const isKept = spark.slot !== null && slot <= spark.slot && slot > spark.slot - SPARK_POINTS;
    return isKept && slot >= 0 ? spark.speeds[slot % SPARK_POINTS] : NaN;
  });
}

function createRing() {
  return { speeds: new Float32Array(SPARK_POINTS).fill(NaN), slot: null };
}

function clearUntil(spark, slot) {
  const from = Math.max(spark.slot ?? slot - 1, slot - SPARK_POINTS) + 1;
  for (let place = from; place <= slot; place += 1) spark.speeds[place % SPARK_POINTS] = NaN;
  spark.slot = Math.max(slot, spark.slot ?? slot);
}
