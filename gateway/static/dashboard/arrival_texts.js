/** How readings arrive, in words. Pure. */

import { durationText, timeText } from "./times.js";
import { NONE } from "./values.js";

const ONCE_A_SECOND_HZ = 0.9; // slower rates are shown as the time between two readings
const SLOW_MS = 2_000; // with a longer delay the page no longer shows the present

/**
 * Describe in one sentence how readings arrive. `kind` is the state of the bike, `interval_ms` the
 * interval that the bike states; the other values come from `summarize`.
 */
export function arrivalText(summary) {
  const { kind, rate_hz, latency_ms, age_ms, tally, interval_ms, isCatchingUp = false } = summary;
  if (kind === "unknown") return "Nothing arrives: this page is not connected.";
  if (age_ms === null) return "Nothing has arrived yet.";
  const silence = `Nothing has arrived for ${durationText(age_ms)}`;
  if (kind === "offline") return `${silence}: the bike is offline.`;
  if (latency_ms === null) return `${silence}.`;
  if (isCatchingUp) {
    return `Catching up: readings from ${durationText(latency_ms)} ago arrive now. ${lostText(tally)}`;
  }
  const regularity = interval_ms === 0 ? " and at irregular intervals" : "";
  const rate = rate_hz > 0 ? `, about ${rateText(rate_hz)}` : "";
  return `Readings arrive ${delayText(latency_ms)}${regularity}${rate}. ${lostText(tally)}`;
}

/** Format a rounded rate: "10 per second", "one every 10 s". */
function rateText(rate_hz) {
  if (rate_hz >= ONCE_A_SECOND_HZ) return `${Math.round(rate_hz).toLocaleString("en")} per second`;
  const every_s = 1 / rate_hz;
  return `one every ${every_s < 9.95 ? `${Number(every_s.toFixed(1))} s` : durationText(every_s * 1000)}`;
}

/** Format a measured rate with one decimal: "9.8 per second"; a dash if it is not known. */
export function measuredRateText(rate_hz) {
  if (rate_hz === 0) return NONE;
  if (rate_hz >= 10 || rate_hz < ONCE_A_SECOND_HZ) return rateText(rate_hz);
  return `${rate_hz.toFixed(1)} per second`;
}

function delayText(latency_ms) {
  if (latency_ms < 300) return "immediately";
  if (latency_ms < SLOW_MS) return `within ${Math.ceil(latency_ms / 1000)} s`;
  return `${durationText(latency_ms)} late, so the connection is too slow`;
}

function lostText({ gaps, lost, restart }) {
  const after = restart ? ` ${restartText(restart)}` : "";
  if (gaps === 0) return `None is missing.${after}`;
  if (lost === 0) return `Some may be missing.${after}`;
  return `${lost === 1 ? "One is" : `${lost.toLocaleString("en")} are`} missing.${after}`;
}

/** Say why the bike began another numbering. */
function restartText({ at_ms, isBack }) {
  const at = timeText(at_ms);
  if (isBack) return `At ${at} another device took over this id, or the bike's clock was set back.`;
  return `At ${at} the bike was restarted, or another device took over this id.`;
}

/** Format the number of gaps, and of the readings lost in gaps of known length. */
export function gapsText({ gaps, lost }) {
  if (gaps === 0) return "none";
  return lost === 0 ? `${gaps}` : `${gaps} (${lost.toLocaleString("en")} lost)`;
}

/** Describe how the bike's clock differs from the reader's; null while they agree. */
export function clockDifferenceText(offset_ms) {
  if (offset_ms === 0) return null;
  const direction = offset_ms > 0 ? "behind" : "ahead of";
  return (
    `The bike's clock is ${durationText(Math.abs(offset_ms))} ${direction} yours. ` +
    "This page shows times by your clock."
  );
}
