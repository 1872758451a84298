/** One bike: the gauge and values of now, its charts, and how its readings arrive. */

import { whyNotHere } from "./bike_state.js";
import { setAttribute, setNotice, setState, setText } from "./elements.js";
import { createCharts } from "./charts.js";
import { createGauge } from "./gauge.js";
import { offsetOf } from "./clock.js";
import { sumUp } from "./health.js";
import { isWanted } from "./link.js";
import { createPace } from "./loop.js";
import { isFollowing, isLatest } from "./range.js";
import { lastTime } from "./track.js";
import {
  arrivalWord,
  clockDifferenceWord,
  clockWord,
  describeAssist,
  describeBike,
  gapsWord,
  measuredRateWord,
  missingWord,
  otherValues,
  spanWord,
  speedWord,
} from "./words.js";

const TEXT_EVERY_MS = 100; // ten numbers a second are the most that looks alive and not restless
const LONG_TEXT = 10; // characters: a longer value has a line of its own and is not cut in the middle
const HEALTH_EVERY_MS = 500;

/**
 * Take over the bike's part of the page.
 * @param actions `{palette, request, pan, zoom, follow}`, as in `createCharts`
 */
export function createBikeView(part, actions) {
  const gauge = createGauge(part("gauge"));
  const charts = createCharts(part, actions);
  const textPace = createPace(TEXT_EVERY_MS);
  const healthPace = createPace(HEALTH_EVERY_MS);
  part("connect-here").addEventListener("click", () => {
    part("connect").click();
    part("bike-id").focus(); // the button goes
  });
  return {
    charts,
    /** Begin with another bike. */
    clear() {
      charts.clear();
      gauge.clear();
    },
    /** Name the charts anew for screen readers, when what they show rests. */
    name: charts.name,
    /** Draw at the next frame whatever was drawn a moment ago. */
    hurry() {
      for (const pace of [textPace, healthPace, charts]) pace.hurry();
    },
    /** Draw a frame; true when the next one is wanted at once. */
    draw(given, now_ms) {
      const bike = given.bikes.get(given.selected);
      const state = { ...given, is: describeBike(given.selected, bike, given.link) };
      if (textPace.isDue(now_ms)) drawNow(part, state, bike, gauge);
      if (healthPace.isDue(now_ms)) drawHealth(part, state, bike);
      if (!bike?.reading) return false;
      const hasMore = charts.draw(state, now_ms);
      return gauge.step(now_ms) || hasMore;
    },
  };
}

function drawNow(part, state, bike, gauge) {
  const { selected, unit, range } = state;
  const { kind, label, notice } = state.is;
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
  setNotice(part("missing"), missingWord(state));
  drawRange(part, range);
}

function drawRange(part, range) {
  for (const radio of part("windows").querySelectorAll("input")) {
    radio.checked = Number(radio.value) === range.span_s;
  }
  setAttribute(part("follow"), "aria-pressed", isLatest(range));
  setText(part("follow"), isFollowing(range) ? "Latest" : "Back to latest");
}

/** Show what there is something in; for a bike opened without a gateway, why there is nothing. */
function drawParts(part, { selected, link, track }, hasReading) {
  const why = whyNotHere(selected, link, { track });
  part("live").hidden = !hasReading && why === null;
  part("live").classList.toggle("alone", !hasReading);
  part("now").hidden = !hasReading;
  part("downloads").hidden = !hasReading || why !== null;
  for (const id of ["history", "health"]) part(id).hidden = why !== null;
  part("not-here").hidden = why === null;
  setText(part("not-here-why"), why ?? "");
  part("connect-here").hidden = isWanted(link);
}

function drawReading(part, reading, { unit, offset_ms }) {
  const word = speedWord(reading, unit);
  setText(part("speed"), word);
  setText(part("speed-unit"), unit.speed);
  setAttribute(part("meter"), "aria-valuenow", Math.round(reading.speed_kmh * unit.factor));
  setAttribute(part("meter"), "aria-valuetext", `${word} ${unit.speed}`);
  setText(part("read-at"), clockWord(reading.ts_ms + offset_ms));
  drawValues(part("values"), otherValues(reading, unit));
}

function drawAssist(part, reading, unit) {
  const { label, isCutOff } = describeAssist(reading, unit);
  part("assist").hidden = label === null;
  for (const level of part("levels").children) {
    setAttribute(level, "aria-current", level.dataset.level === reading.assist ? "true" : null);
  }
  // a list item that is current is not read out by every screen reader; the name of the list is
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

function drawHealth(part, { is, health, tally, clock, track, reconnects, link }, bike) {
  const { interval_ms } = bike ?? {};
  const arrivals = sumUp(health, Date.now(), interval_ms);
  const { rate_hz, latency_ms, worst_ms } = arrivals;
  const last = lastTime(track);
  const age_ms = last === null ? null : Math.max(Date.now() - last * 1000, 0);
  const isUp = link.state === "connected";
  const told = { ...arrivals, kind: is.kind, age_ms, tally, interval_ms };
  setText(part("arrival"), arrivalWord(told));
  setText(part("latency"), latency_ms === null || !isUp ? "–" : latencyWord(latency_ms, worst_ms));
  setText(part("rate"), isUp ? measuredRateWord(rate_hz) : "–");
  setText(part("lag"), age_ms === null ? "–" : spanWord(age_ms));
  setText(part("reconnects"), reconnects === 0 ? "none" : `${reconnects}`);
  setText(part("gaps"), gapsWord(tally));
  setText(part("received"), tally.received.toLocaleString("en"));
  setText(part("first"), tally.first ?? "–");
  setText(part("last"), tally.last ?? "–");
  setNotice(part("clock"), clockDifferenceWord(offsetOf(clock)));
}

function latencyWord(latency_ms, worst_ms) {
  return `${spanWord(Math.max(latency_ms, 0))} (worst ${spanWord(Math.max(worst_ms, 0))})`;
}
