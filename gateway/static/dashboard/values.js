/** The values of a reading, formatted with labels and units. Pure. */

import { numberText } from "./numbers.js";

export const NONE = "–";

/**
 * The values that a reading may carry beside its speed, in display order. Texts and charts use this
 * one list. The unit "distance" depends on the reader's choice of units.
 */
export const VALUES = Object.freeze({
  power_w: { label: "Rider", unit: "W", decimals: 0 },
  motor_power_w: { label: "Motor", unit: "W", decimals: 0 },
  cadence_rpm: { label: "Cadence", unit: "rpm", decimals: 0 },
  heart_rate_bpm: { label: "Heart rate", unit: "bpm", decimals: 0 },
  battery_pct: { label: "Battery", unit: "%", decimals: 0 },
  gradient_pct: { label: "Gradient", unit: "%", decimals: 1 },
  altitude_m: { label: "Altitude", unit: "m", decimals: 0 },
  odometer_km: { label: "Odometer", unit: "distance", decimals: 1 },
  temperature_c: { label: "Temperature", unit: "°C", decimals: 1 },
});

/** Format a speed in the reader's unit, without the unit's name: "24.7". */
export function speedText(reading, unit) {
  return reading ? (reading.speed_kmh * unit.factor).toFixed(1) : NONE;
}

/** Format a battery charge: "83 %". */
export function batteryText(reading) {
  return knownText(reading, "battery_pct");
}

/** Format the rider's power: "226 W". */
export function powerText(reading) {
  return knownText(reading, "power_w");
}

function knownText(reading, key) {
  const { unit, decimals } = VALUES[key];
  return reading?.[key] === undefined ? NONE : valueText(reading[key], unit, decimals);
}

/** List the values that a reading carries beside its speed: `[{key, label, text}]`. */
export function otherValues(reading, unit) {
  const known = Object.entries(VALUES)
    .filter(([key]) => reading?.[key] !== undefined)
    .map(([key, { label, unit: name, decimals }]) => {
      const isDistance = name === "distance";
      const value = isDistance ? reading[key] * unit.factor : reading[key];
      return { key, label, text: valueText(value, isDistance ? unit.distance : name, decimals) };
    });
  return [...known, ...Object.entries(reading?.extra ?? {}).map(extraValue)];
}

function extraValue([key, value]) {
  const text = typeof value === "number" ? numberText(value) : String(value);
  return { key: `extra.${key}`, label: key, text };
}

function valueText(value, unit, decimals) {
  const rounded = value.toFixed(decimals).replace(/^-(0(\.0*)?)$/, "$1"); // never show "-0"
  return `${rounded} ${unit}`;
}
