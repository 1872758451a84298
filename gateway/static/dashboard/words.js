/** Numbers and states in words. Pure. */

import { isHeard } from "./bikes.js";
import { numberWord } from "./numbers.js";
import { isFollowing } from "./range.js";
import { cutOffIn, EU_CUT_OFF_KMH } from "./units.js";

const ONCE_A_SECOND = 0.9; // Hz: a rate below is better told by the time between two readings
const SLOW_MS = 2_000; // later than this, what is shown is not what is

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
  const text = typeof value === "number" ? numberWord(value) : String(value);
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
  const limit = `${cutOffIn(unit)} ${unit.speed}`;
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
  const isRefused = bike.refused && !(bike.online && REFUSED_IN_PART.has(bike.refused));
  if (isRefused) return { kind: "refused", label: "Refused", notice: refusedNotice(bike) };
  if (bike.online) return { kind: "online", label: "Online", notice: onlineNotice(bike) };
  return { kind: "offline", label: "Offline", notice: offlineNotice(bike) };
}

/** Why the readings of a bike opened without a gateway are not on the page; null while they come. */
export function notHereWord(id, { state }) {
  if (state === "connected" || state === "connecting") return null;
  if (state !== "lost") return `To see the readings of ${id}, connect to the gateway.`;
  return `The readings of ${id} show here as soon as the gateway answers.`;
}

function unheardNotice(id) {
  return (
    `Nothing was heard from ${id} yet. Its readings show here as soon as it sends some. Is its ` +
    "name right, and is it switched on?"
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
  const shown = reading ? " This page shows its last reading." : "";
  return `${id} is offline: nothing is heard from it.${shown} New ones show as soon as it is back.`;
}

const CHECK_ADVICE = "“.venv/bin/python -m device.check ENDPOINT” names what is wrong.";

/** With these, readings of the same bike may be taken; with all others none is. */
const REFUSED_IN_PART = new Set(["old_epoch", "future_epoch", "far_seq", "unsupported_version"]);

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
  invalid:
    "Its readings cannot be used: a value is missing, has a wrong type or is out of range. " +
    CHECK_ADVICE,
  seq_back:
    "Its numbers go back or never rise. Each reading needs a number of its own: 1 for the first, " +
    "then one more for each. " +
    CHECK_ADVICE,
  conflict:
    "Two publishers use this id at the same time. Stop one of them, or give it an id of its own.",
  unsupported_version:
    "It speaks another version of the protocol. Update the bike's program, or the gateway.",
};

function adviceFor(reason) {
  return (
    ADVICE[reason] ??
    `The reason is: ${reason.replaceAll("_", " ")}. ${CHECK_ADVICE}`
  );
}

/** The time of a reading on the reader's clock face, "14:03:22". */
export function clockWord(ts_ms) {
  return new Date(ts_ms).toLocaleTimeString([], { hourCycle: "h23" });
}

/** That time with tenths of a second, "14:03:22.4". */
export function momentWord(ts_ms) {
  const tenths = Math.round(ts_ms / 100);
  return `${clockWord(tenths * 100)}.${tenths % 10}`;
}

/** The time at a mark of an axis: between whole seconds only the tenth, ".5". */
export function tickWord(t_s) {
  const tenths = Math.round(t_s * 10);
  return tenths % 10 === 0 ? clockWord(tenths * 100) : `.${tenths % 10}`;
}

/** Why there is nothing before the `first` reading in sight; empty where nothing is missing. */
export function missingWord({ missing, first, link }) {
  if (missing === "not kept") return `Recording started at ${clockWord(first * 1000)}`;
  if (missing === null) return "";
  if (missing === "unanswered") return "The bike did not send its earlier readings in time";
  return link.state === "connected" ? "Loading earlier readings…" : "Earlier readings are not here";
}

/** Which stretch of time the charts show, for those who hear it. */
export function shownWord(sight) {
  const { range, missing } = sight;
  const [from, to] = sight.bounds;
  const span = windowWord(to - from);
  const times = `from ${clockWord(from * 1000)} to ${clockWord(to * 1000)}`;
  const shown = isFollowing(range) ? `the latest ${span}` : `${span}, ${times}`;
  const isFinal = missing === "not kept" || missing === "unanswered";
  return `Showing ${shown}${isFinal ? `. ${missingWord(sight)}` : ""}`;
}

/**
 * How readings arrive, for a reader who only wants to know whether all is well. `kind` is that of
 * the bike, `interval_ms` the interval that it names; the rest comes from `sumUp`.
 */
export function arrivalWord(told) {
  const { kind, rate_hz, latency_ms, age_ms, tally, interval_ms, isCatchingUp = false } = told;
  if (kind === "unknown") return "Nothing arrives: this page is not connected.";
  if (age_ms === null) return "Nothing has arrived yet.";
  const silence = `Nothing has arrived for ${spanWord(age_ms)}`;
  if (kind === "offline") return `${silence}: the bike is offline.`;
  if (latency_ms === null) return `${silence}.`;
  if (isCatchingUp) {
    return `Catching up: readings from ${spanWord(latency_ms)} ago arrive now. ${lostWord(tally)}`;
  }
  const regular = interval_ms === 0 ? " and at irregular intervals" : "";
  const pace = rate_hz > 0 ? `, about ${rateWord(rate_hz, "a")}` : "";
  return `Readings arrive ${lateWord(latency_ms)}${regular}${pace}. ${lostWord(tally)}`;
}

/** A rate as it is said, "10 a second", "one every 10 s". */
function rateWord(rate_hz, per) {
  if (rate_hz >= ONCE_A_SECOND) return `${Math.round(rate_hz).toLocaleString("en")} ${per} second`;
  const every_s = 1 / rate_hz;
  return `one every ${every_s < 9.95 ? `${Number(every_s.toFixed(1))} s` : spanWord(every_s * 1000)}`;
}

/** A rate as a number, "9.8 per second"; a dash while it is not known. */
export function measuredRateWord(rate_hz) {
  if (rate_hz === 0) return NONE;
  if (rate_hz >= 10 || rate_hz < ONCE_A_SECOND) return rateWord(rate_hz, "per");
  return `${rate_hz.toFixed(1)} per second`;
}

function lateWord(latency_ms) {
  if (latency_ms < 300) return "at once";
  if (latency_ms < SLOW_MS) return `within ${Math.ceil(latency_ms / 1000)} s`;
  return `${spanWord(latency_ms)} late, so the line is too slow`;
}

function lostWord({ gaps, lost }) {
  if (gaps === 0) return "None is missing.";
  if (lost === 0) return "Some may be missing.";
  return lost === 1 ? "One is missing." : `${lost.toLocaleString("en")} are missing.`;
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
