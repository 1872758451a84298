/** Numbers and states in words. Pure. */

import { isHeard } from "./bikes.js";
import { isFollowing } from "./range.js";
import { EU_CUT_OFF_KMH } from "./units.js";

export const NONE = "–";

/** A speed in the unit, without its name, "24.7". */
export function speedWord(reading, unit) {
  return reading ? (reading.speed_kmh * unit.factor).toFixed(1) : NONE;
}

/** A battery's charge, "83 %". */
export function batteryWord(reading) {
  return reading?.battery_pct === undefined ? NONE : `${reading.battery_pct.toFixed(0)} %`;
}

/** A power, "226 W". */
export function powerWord(reading) {
  return reading?.power_w === undefined ? NONE : valueWord(reading.power_w, "W", 0);
}

/** What else a reading may carry, in the order shown: key, label, unit, decimals. */
const VALUES = [
  ["power_w", "Rider", "W", 0],
  ["motor_power_w", "Motor", "W", 0],
  ["cadence_rpm", "Cadence", "rpm", 0],
  ["heart_rate_bpm", "Heart rate", "bpm", 0],
  ["battery_pct", "Battery", "%", 0],
  ["gradient_pct", "Gradient", "%", 1],
  ["altitude_m", "Altitude", "m", 0],
  ["odometer_km", "Odometer", "distance", 1],
  ["temperature_c", "Temperature", "°C", 1],
];

/** The other values of a reading: `[{key, label, text}]`, only those it carries. */
export function otherValues(reading, unit) {
  const known = VALUES.filter(([key]) => reading?.[key] !== undefined).map(
    ([key, label, name, decimals]) => {
      if (name !== "distance") return { key, label, text: valueWord(reading[key], name, decimals) };
      return { key, label, text: valueWord(reading[key] * unit.factor, unit.distance, decimals) };
    },
  );
  return [...known, ...Object.entries(reading?.extra ?? {}).map(extraValue)];
}

function extraValue([key, value]) {
  const text = typeof value === "number" ? value.toLocaleString("en") : String(value);
  return { key: `extra.${key}`, label: key, text };
}

function valueWord(value, unit, decimals) {
  const rounded = value.toFixed(decimals).replace(/^-(0(\.0*)?)$/, "$1"); // "-0" reads as a fault
  return `${rounded} ${unit}`;
}

/** What the motor may do: `{label, isCutOff}`, the label null for a bike that does not say. */
export function describeAssist(reading, unit) {
  if (!reading || (reading.assist === undefined && reading.motor_power_w === undefined)) {
    return { label: null, isCutOff: false };
  }
  const limit = `${Math.round(EU_CUT_OFF_KMH * unit.factor * 10) / 10} ${unit.speed}`;
  const isCutOff = reading.speed_kmh >= EU_CUT_OFF_KMH && (reading.motor_power_w ?? 0) <= 0;
  if (isCutOff) return { label: `EU cut-off: no motor above ${limit}`, isCutOff };
  if (reading.assist === "off") return { label: "The motor is switched off", isCutOff };
  return { label: `The motor helps up to ${limit} (EU)`, isCutOff };
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
  return (
    `Nothing was heard from ${id} yet. Its readings show here as soon as it sends; is its name ` +
    "right, and is it switched on?"
  );
}

function onlineNotice({ id, reading, refused }) {
  if (refused) return `Some of what ${id} sends is refused. ${adviceFor(refused)}`;
  return reading ? null : `${id} is there and has not sent a reading yet.`;
}

function refusedNotice({ id, refused }) {
  return `${id} is sending, and the gateway refuses it. ${adviceFor(refused)}`;
}

function offlineNotice({ id, reading }) {
  const shown = reading ? " What is shown is its last reading." : "";
  return `${id} is offline: nothing is heard from it.${shown} It goes on by itself when it is back.`;
}

/** Why a gateway refuses a bike, and what to do; the words are those of `device_status`. */
const ADVICE = {
  old_epoch:
    "Its numbering went back: two bikes use this id, or its clock was set back. Give each bike an " +
    "id of its own; a single one is taken in again after 10 s.",
  future_epoch:
    "Its numbering is more than a day ahead of the gateway's clock. Set the bike's clock, and " +
    "start it again.",
  far_seq:
    "Its numbers jumped by more than a million. Start the bike again: it then counts from 1.",
  unsupported_version:
    "It speaks another version of the protocol. Update the bike's program, or the gateway.",
};

function adviceFor(reason) {
  return (
    ADVICE[reason] ??
    `The reason is: ${reason.replaceAll("_", " ")}. “python -m device.check” says more.`
  );
}

/** The time of a reading on the reader's clock face, "14:03:22". */
export function clockWord(ts_ms) {
  return new Date(ts_ms).toLocaleTimeString([], { hourCycle: "h23" });
}

/** Why there is nothing before the `first` reading in sight; empty where nothing is missing. */
export function missingWord({ missing, first, link }) {
  if (missing === "not kept") return `No readings are kept from before ${clockWord(first * 1000)}`;
  if (missing === null) return "";
  return link.state === "connected" ? "Loading earlier readings…" : "Earlier readings are not here";
}

/** Which stretch of time the charts show, for those who hear it. */
export function shownWord(sight) {
  const { range, missing } = sight;
  const [from, to] = sight.bounds;
  const span = windowWord(to - from);
  const times = `from ${clockWord(from * 1000)} to ${clockWord(to * 1000)}`;
  const shown = isFollowing(range) ? `the latest ${span}` : `${span}, ${times}`;
  return `Showing ${shown}${missing === "not kept" ? `. ${missingWord(sight)}` : ""}`;
}

/** How many gaps, and what is known to be lost in them; not every gap can be counted. */
export function gapsWord({ gaps, lost }) {
  if (gaps === 0) return "none";
  return lost === 0 ? `${gaps}` : `${gaps} (${lost.toLocaleString("en")} lost)`;
}

/** A stretch of time in its greatest units, "850 ms", "12 s", "3 min 5 s", "1 h 2 min". */
export function spanWord(span_ms) {
  if (span_ms < 1_000) return `${Math.round(span_ms)} ms`;
  const seconds = Math.round(span_ms / 1_000);
  if (seconds < 10) return `${(span_ms / 1_000).toFixed(1)} s`;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How the bike's clock differs from the reader's; null while they agree. */
export function clockDifferenceWord(offset_ms) {
  if (offset_ms === 0) return null;
  const way = offset_ms > 0 ? "behind" : "ahead of";
  return `The bike's clock is ${spanWord(Math.abs(offset_ms))} ${way} yours; times are shown in yours.`;
}

/** The length of a window of the charts, "5 min". */
export function windowWord(span_s) {
  return span_s < 60 ? `${Math.round(span_s)} s` : `${Math.round(span_s / 6) / 10} min`;
}
