/** The last speeds of a bike in the fleet, one a second, in a ring of fixed size. Pure. */

export const SPARK_POINTS = 90; // a minute and a half, one pixel a second
const STEP_MS = 1_000;

export function createSpark() {
  return { speeds: new Float32Array(SPARK_POINTS).fill(NaN), slot: null };
}

/** Note a speed at a time; seconds without one stay empty. */
export function addSpeed(spark, speed_kmh, now_ms) {
  clearUntil(spark, Math.floor(now_ms / STEP_MS));
  spark.speeds[spark.slot % SPARK_POINTS] = speed_kmh;
}

/** Put readings of the past into seconds that are still empty. */
export function fillSpark({ speeds, slot: newest }, readings, offset_ms) {
  for (const { ts_ms, speed_kmh } of readings) {
    const slot = Math.floor((ts_ms + offset_ms) / STEP_MS);
    const isKept = slot <= newest && slot > newest - SPARK_POINTS;
    if (isKept && Number.isNaN(speeds[slot % SPARK_POINTS]))
      speeds[slot % SPARK_POINTS] = speed_kmh;
  }
}

/** The speeds, oldest first, ending now; NaN where none is known. */
export function sparkPoints(spark, now_ms) {
  const end = Math.floor(now_ms / STEP_MS);
  return Array.from({ length: SPARK_POINTS }, (_, place) => {
    const slot = end - SPARK_POINTS + 1 + place;
    const isKept = spark.slot !== null && slot <= spark.slot && slot > spark.slot - SPARK_POINTS;
    return isKept && slot >= 0 ? spark.speeds[slot % SPARK_POINTS] : NaN;
  });
}

function clearUntil(spark, slot) {
  const from = Math.max(spark.slot ?? slot - 1, slot - SPARK_POINTS) + 1;
  for (let place = from; place <= slot; place += 1) spark.speeds[place % SPARK_POINTS] = NaN;
  spark.slot = Math.max(slot, spark.slot ?? slot);
}
