/** The view of one bike: gauge and current values, charts, and how readings arrive. */

import { summarize } from "./arrival_stats.js";
import { arrivalText, clockDifferenceText, gapsText, measuredRateText } from "./arrival_texts.js";
import { whyEmpty } from "./bike_state.js";
import { describeAssist, describeBike } from "./bike_status.js";
import { missingText } from "./chart_texts.js";
import { createCharts } from "./charts.js";
import { offsetOf } from "./clock_offset.js";
import { isActive } from "./connection.js";
import { setAttribute, setNotice, setState, setText } from "./elements.js";
import { createGauge } from "./gauge.js";
import { createThrottle } from "./scheduling.js";
import { isFollowing, isLatest } from "./time_range.js";
import { durationText, timeText } from "./times.js";
import { lastTime } from "./track.js";
import { otherValues, speedText } from "./values.js";

const TEXT_EVERY_MS = 100; // numbers that change faster look restless
const LONG_TEXT = 10; // characters: a longer value gets a line of its own and is not cut in the middle
const STATS_EVERY_MS = 500;

/**
 * Control the bike's part of the page.
 * @param actions `{palette, request, pan, zoom, follow}`, as for `createCharts`
 */
export function createBikeView(part, actions) {
  const gauge = createGauge(part("gauge"));
  const charts = createCharts(part, actions);
  const textThrottle = createThrottle(TEXT_EVERY_MS);
  const statsThrottle = createThrottle(STATS_EVERY_MS);
  part("connect-here").addEventListener("click", () => {
    part("connect").click();
    part("bike-id").focus(); // the pressed button disappears
  });
  return {
    charts,
    /** Start with another bike. */
    clear() {
      charts.clear();
      gauge.clear();
    },
    /** Update the charts' names for screen readers. */
    name: charts.name,
    /** Draw everything in the next frame, however recently it was drawn. */
    invalidate() {
      for (const part of [textThrottle, statsThrottle, charts]) part.invalidate();
    },
    /** Draw a frame; true requests the next one at once. */
    draw(given, now_ms) {
      const bike = given.bikes.get(given.selected);
      const state = { ...given, status: describeBike(given.selected, bike, given.connection) };
      if (textThrottle.isDue(now_ms)) drawNow(part, state, bike, gauge);
      if (statsThrottle.isDue(now_ms)) drawArrivals(part, state, bike);
      if (!bike?.reading) return false;
      const hasMore = charts.draw(state, now_ms);
      return gauge.step(now_ms) || hasMore;
    },
  };
}

function drawNow(part, state, bike, gauge) {
  const { selected, unit, range } = state;
  const { kind, label, notice } = state.status;
  setText(part("bike-id"), selected);
  setText(part("bike-model"), bike?.model ?? "");
  setState(part("bike-state"), kind, label);
  setNotice(part("bike-notice"), notice);
  part("bike").classList.toggle("stale", kind !== "online");
  drawParts(part, state, Boolean(bike?.reading));
  if (!bike?.reading) return;
  drawReading(part, bike.reading, state);
  gauge.set(bike.reading.speed_kmh, unit);
  drawAssist(part, bike.reading, unit);
  setNotice(part("missing"), missingText(state));
  drawRange(part, range);
}

function drawRange(part, range) {
  for (const radio of part("windows").querySelectorAll("input")) {
    radio.checked = Number(radio.value) === range.span_s;
  }
  setAttribute(part("follow"), "aria-pressed", isLatest(range));
  setText(part("follow"), isFollowing(range) ? "Latest" : "Back to latest");
}

/** Show the parts that have content; without a connection and without readings, show the reason. */
function drawParts(part, { selected, connection, track }, hasReading) {
  const why = whyEmpty(selected, connection, { track });
  part("live").hidden = !hasReading && why === null;
  part("live").classList.toggle("alone", !hasReading);
  part("now").hidden = !hasReading;
  part("downloads").hidden = !hasReading || why !== null;
  for (const id of ["history", "health"]) part(id).hidden = why !== null;
  part("not-here").hidden = why === null;
  setText(part("not-here-why"), why ?? "");
  part("connect-here").hidden = isActive(connection);
}

function drawReading(part, reading, { unit, offset_ms }) {
  const text = speedText(reading, unit);
  setText(part("speed"), text);
  setText(part("speed-unit"), unit.speed);
  setAttribute(part("meter"), "aria-valuenow", Math.round(reading.speed_kmh * unit.factor));
  setAttribute(part("meter"), "aria-valuetext", `${text} ${unit.speed}`);
  setText(part("read-at"), timeText(reading.ts_ms + offset_ms));
  drawValues(part("values"), otherValues(reading, unit));
}

function drawAssist(part, reading, unit) {
  const { label, isCutOff } = describeAssist(reading, unit);
  part("assist").hidden = label === null;
  for (const level of part("levels").children) {
    setAttribute(level, "aria-current", level.dataset.level === reading.assist ? "true" : null);
  }
  // not every screen reader reads the current list item, but all read the list's name
  setAttribute(part("levels"), "aria-label", `Assist mode: ${reading.assist}`);
  part("levels").hidden = reading.assist === undefined;
  setText(part("cut-off"), label ?? "");
  part("assist").classList.toggle("is-cut-off", isCutOff);
}

function drawValues(list, values) {
  const keys = values.map(({ key }) => key).join();
  if (list.dataset.keys !== keys) {
    list.dataset.keys = keys;
    list.replaceChildren(...values.map(valueElement));
  }
  values.forEach(({ text }, place) => {
    setText(list.children[place].lastElementChild, text);
    list.children[place].classList.toggle("is-long", text.length > LONG_TEXT);
  });
}

function valueElement({ label }) {
  const group = document.createElement("div");
  group.appendChild(document.createElement("dt")).textContent = label;
  group.appendChild(document.createElement("dd"));
  return group;
}

function drawArrivals(part, state, bike) {
  const { status, arrivals, tally, clock, track, reconnects, connection } = state;
  const { interval_ms } = bike ?? {};
  const summary = summarize(arrivals, Date.now(), interval_ms);
  const { rate_hz, latency_ms, worst_ms } = summary;
  const last = lastTime(track);
  const age_ms = last === null ? null : Math.max(Date.now() - last * 1000, 0);
  const isUp = connection.state === "connected";
  const described = { ...summary, kind: status.kind, age_ms, tally, interval_ms };
  setText(part("arrival"), arrivalText(described));
  setText(part("latency"), latency_ms === null || !isUp ? "–" : latencyText(latency_ms, worst_ms));
  setText(part("rate"), isUp ? measuredRateText(rate_hz) : "–");
  setText(part("lag"), age_ms === null ? "–" : durationText(age_ms));
  setText(part("reconnects"), reconnects === 0 ? "none" : `${reconnects}`);
  setText(part("gaps"), gapsText(tally));
  setText(part("received"), tally.received.toLocaleString("en"));
  setText(part("first"), tally.first ?? "–");
  setText(part("last"), tally.last ?? "–");
  setNotice(part("clock"), clockDifferenceText(offsetOf(clock)));
}

function latencyText(latency_ms, worst_ms) {
  return `${durationText(Math.max(latency_ms, 0))} (worst ${durationText(Math.max(worst_ms, 0))})`;
}
