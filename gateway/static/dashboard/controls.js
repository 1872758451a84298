/** The choices of the page: unit, scheme, window, and moving in time. */

import { recall, remember } from "./preferences.js";
import { following, latest, panned, windowOf, zoomed } from "./range.js";
import { unitOf } from "./units.js";

const PAN_PART = 0.5; // of the span, at a press
const ZOOM_FACTOR = 2;

/** The range remembered. */
export function recallRange() {
  return following(windowOf(Number(recall("window_s"))));
}

/** Let the reader choose a unit; `choose` is called now and at each change. */
export function listenToUnit(part, choose) {
  const chosen = unitOf(recall("unit"));
  for (const radio of part("units").querySelectorAll("input")) {
    radio.checked = radio.value === chosen.key;
    radio.addEventListener("change", () => {
      remember("unit", radio.value);
      choose(unitOf(radio.value));
    });
  }
  choose(chosen);
}

/** Let the reader choose light or dark, or leave it to the system. */
export function listenToScheme(part, onChange) {
  const select = part("scheme");
  select.value = recall("scheme") ?? "system";
  if (select.selectedIndex < 0) select.value = "system";
  const apply = () => {
    document.documentElement.dataset.scheme = select.value;
    onChange();
  };
  select.addEventListener("change", () => {
    remember("scheme", select.value);
    apply();
  });
  apply();
}

/**
 * Let the reader choose what the charts show.
 * @param get what is in sight, as `sightOf` tells it
 * @param set takes the new range
 */
export function listenToRange(part, get, set) {
  for (const radio of part("windows").querySelectorAll("input")) {
    radio.addEventListener("change", () => {
      remember("window_s", radio.value);
      set(following(Number(radio.value)));
    });
  }
  const act = createMoves(get, set);
  const moves = {
    earlier: act.earlier,
    later: act.later,
    "zoom-in": act.zoomIn,
    "zoom-out": act.zoomOut,
  };
  for (const [id, move] of Object.entries(moves)) part(id).addEventListener("click", move);
  part("follow").addEventListener("click", act.follow);
  return act;
}

function createMoves(get, set) {
  const pan = (by_s) => set(panned(get(), by_s));
  const zoom = (factor, at) => {
    const sight = get();
    const [from, to] = sight.bounds;
    set(zoomed(sight, factor, at ?? (from + to) / 2));
  };
  return {
    pan,
    zoom,
    earlier: () => pan(-PAN_PART * get().range.span_s),
    later: () => pan(PAN_PART * get().range.span_s),
    zoomIn: () => zoom(1 / ZOOM_FACTOR),
    zoomOut: () => zoom(ZOOM_FACTOR),
    follow: () => set(latest(get().range)),
  };
}

/** What a key does on the charts; undefined for those that mean nothing there. */
export function keyMove(event, act, step) {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const shifted = { ArrowLeft: act.earlier, ArrowRight: act.later };
  const plain = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    "+": act.zoomIn,
    "-": act.zoomOut,
    End: act.follow,
    Escape: () => step(0),
  };
  return (event.shiftKey && shifted[event.key]) || plain[event.key];
}
