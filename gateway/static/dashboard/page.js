/** The page: puts the state into the elements of the template, and knows nothing else. */

import { createBikeList, setText } from "./bike_list.js";
import { heardIds } from "./bikes.js";
import { createChart } from "./chart.js";
import { describeLink, isWanted } from "./link.js";
import { clockWord, describeBike, gapsWord, otherValues, speedWord } from "./words.js";

/**
 * Take over the page.
 * @returns {{draw: (state: object) => void}} `draw` may be called once a frame
 */
export function createPage(document) {
  const part = (id) => document.getElementById(id);
  const list = createBikeList(part("bikes"));
  part("app").hidden = false;
  let chart = null; // made when there is a reading to show: a hidden element has no width
  return {
    draw(state) {
      drawLink(part, state.link, state.problem);
      drawList(part, list, state);
      const bikeShown = state.selected !== null;
      part("bike").hidden = !bikeShown;
      part("nothing").hidden = bikeShown || state.link.state !== "connected";
      if (!bikeShown) return;
      drawBike(part, state);
      const reading = state.bikes.get(state.selected)?.reading;
      part("live").hidden = !reading;
      if (!reading) return;
      drawNow(part, reading);
      drawTally(part, state.tally);
      chart ??= createChart(part("chart"), (text) => setText(part("pointed"), text));
      chart.draw(state.series, state.age_s);
    },
  };
}

function drawLink(part, link, problem) {
  const { label, notice } = describeLink(link);
  setState(part("link"), link.state, label);
  setNotice(part("notice"), notice ?? problem);
  setEnabled(part("disconnect"), isWanted(link), part("connect"));
  setEnabled(part("connect"), !isWanted(link), part("disconnect"));
}

function drawList(part, list, state) {
  const ids = heardIds(state.bikes);
  const kinds = ids.map((id) => describeBike(id, state.bikes.get(id), state.link).kind);
  const online = kinds.filter((kind) => kind === "online").length;
  const count = state.link.state === "connected" ? `${online} of ${ids.length} online` : "";
  setText(part("bikes-count"), count);
  list.draw(ids, state);
}

function drawBike(part, { bikes, selected, link }) {
  const bike = bikes.get(selected);
  const { kind, label, notice } = describeBike(selected, bike, link);
  setText(part("bike-id"), selected);
  setText(part("bike-model"), bike?.model ?? "");
  setState(part("bike-state"), kind, label);
  setNotice(part("bike-notice"), notice);
  part("bike").classList.toggle("stale", kind !== "online");
}

function drawNow(part, reading) {
  setText(part("speed"), speedWord(reading));
  setText(part("read-at"), `at ${clockWord(reading.ts_ms)}`);
  drawValues(part("values"), otherValues(reading));
}

function drawValues(list, values) {
  const keys = values.map(({ key }) => key).join();
  if (list.dataset.keys !== keys) {
    list.dataset.keys = keys;
    list.replaceChildren(...values.map(valueElement));
  }
  values.forEach(({ text }, place) => setText(list.children[place].lastElementChild, text));
}

function valueElement({ label }) {
  const group = document.createElement("div");
  group.appendChild(document.createElement("dt")).textContent = label;
  group.appendChild(document.createElement("dd"));
  return group;
}

function drawTally(part, tally) {
  setText(part("received"), tally.received.toLocaleString("en"));
  setText(part("first"), tally.first ?? "–");
  setText(part("last"), tally.last ?? "–");
  setText(part("gaps"), gapsWord(tally));
}

function setState(element, kind, label) {
  setText(element, label);
  element.dataset.kind = kind;
}

function setNotice(element, text) {
  element.hidden = !text;
  setText(element, text ?? "");
}

/** Turn a button on or off; the keyboard's focus goes on to the one that takes its place. */
function setEnabled(button, enabled, other) {
  if (button.disabled === !enabled) return;
  const hadFocus = button.ownerDocument.activeElement === button;
  button.disabled = !enabled;
  if (!enabled && hadFocus) {
    other.disabled = false;
    other.focus();
  }
}
