/** The reader's unit of speed and distance; readings stay in km/h and km. Pure. */

const KM_IN_A_MILE = 1.609344;

/** Where the motor must stop helping in the European Union (EN 15194). */
export const EU_CUT_OFF_KMH = 25;

/** `factor` converts km/h and km to the unit; `gauge` lists the possible ends of the gauge's scale. */
const UNITS = Object.freeze({
  kmh: Object.freeze({
    key: "kmh",
    speed: "km/h",
    distance: "km",
    factor: 1,
    gauge: [50, 75, 100, 200],
  }),
  mph: Object.freeze({
    key: "mph",
    speed: "mph",
    distance: "mi",
    factor: 1 / KM_IN_A_MILE,
    gauge: [30, 45, 60, 130],
  }),
});

/** The unit with this key; km/h for an unknown key. */
export function unitOf(key) {
  return Object.hasOwn(UNITS, key ?? "") ? UNITS[key] : UNITS.kmh;
}

/** The speed where the motor must stop helping: 25 km/h or 15.5 mph. */
export function cutOffIn({ factor }) {
  return Math.round(EU_CUT_OFF_KMH * factor * 10) / 10;
}

/** The end of the gauge's scale for a speed, in the unit. */
export function gaugeMax(speed_kmh, unit) {
  const speed = speed_kmh * unit.factor;
  return unit.gauge.find((max) => speed <= max) ?? unit.gauge.at(-1);
}
