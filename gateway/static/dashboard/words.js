/** Numbers and states in words. Pure. */

import { isHeard } from "./bikes.js";

const NONE = "–";

/** A speed without its unit, "24.7". */
export function speedWord(reading) {
  return reading ? reading.speed_kmh.toFixed(1) : NONE;
}

/** What else a reading may carry, in the order shown: key, label, unit, decimals. */
const VALUES = [
  ["power_w", "Rider", "W", 0],
  ["motor_power_w", "Motor", "W", 0],
  ["cadence_rpm", "Cadence", "rpm", 0],
  ["heart_rate_bpm", "Heart rate", "bpm", 0],
  ["battery_pct", "Battery", "%", 0],
  ["assist", "Assist", "", 0],
  ["gradient_pct", "Gradient", "%", 1],
  ["altitude_m", "Altitude", "m", 0],
  ["odometer_km", "Odometer", "km", 1],
  ["temperature_c", "Temperature", "°C", 1],
];

/** The other values of a reading: `[{key, label, text}]`, only those it carries. */
export function otherValues(reading) {
  return VALUES.filter(([key]) => reading?.[key] !== undefined).map(
    ([key, label, unit, decimals]) => ({ key, label, text: valueWord(reading[key], unit, decimals) }),
  );
}

function valueWord(value, unit, decimals) {
  if (typeof value === "string") return value;
  const rounded = value.toFixed(decimals).replace(/^-(0(\.0*)?)$/, "$1"); // "-0" reads as a fault
  return `${rounded} ${unit}`;
}

/**
 * The state of a bike: `{kind, label, notice}`; kind is online, offline, refused, unheard, or
 * unknown while the line to the gateway is down.
 */
export function describeBike(id, bike, link) {
  if (link.state !== "connected") return { kind: "unknown", label: "Unknown", notice: null };
  if (!isHeard(bike)) return { kind: "unheard", label: "Not heard", notice: unheardNotice(id) };
  if (bike.online) return { kind: "online", label: "Online", notice: onlineNotice(bike) };
  if (bike.refused) return { kind: "refused", label: "Refused", notice: refusedNotice(bike) };
  return { kind: "offline", label: "Offline", notice: offlineNotice(bike) };
}

function unheardNotice(id) {
  return `Nothing was heard from ${id} yet. Its readings show here as soon as it sends.`;
}

function onlineNotice({ id, reading, refused }) {
  if (refused) return `Some of what ${id} sends is refused: ${refused.replaceAll("_", " ")}.`;
  return reading ? null : `${id} is there and has not sent a reading yet.`;
}

function refusedNotice({ id, refused }) {
  return `${id} is sending, and the gateway refuses it: ${refused.replaceAll("_", " ")}.`;
}

function offlineNotice({ id, reading }) {
  return `${id} is offline. ${reading ? "What is shown is its last reading." : ""}`.trim();
}

/** The time of a reading on the reader's clock face, "14:03:22". */
export function clockWord(ts_ms) {
  return new Date(ts_ms).toLocaleTimeString([], { hourCycle: "h23" });
}

/** How many gaps, and what is known to be lost in them; not every gap can be counted. */
export function gapsWord({ gaps, lost }) {
  if (gaps === 0) return "none";
  return lost === 0 ? `${gaps}` : `${gaps} (${lost.toLocaleString("en")} lost)`;
}
