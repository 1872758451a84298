/** The controls of the page: unit, colour scheme, chart window, and moving in time. */

import { loadPreference, savePreference } from "./preferences.js";
import { following, latest, panned, validWindow, zoomed } from "./time_range.js";
import { unitOf } from "./units.js";

const PAN_PART = 0.5; // of the span, per press
const ZOOM_FACTOR = 2;

/** The saved range. */
export function loadRange() {
  return following(validWindow(Number(loadPreference("window_s"))));
}

/** Connect the choice of unit; `choose` is called now and after each change. */
export function listenToUnit(part, choose) {
  const chosen = unitOf(loadPreference("unit"));
  for (const radio of part("units").querySelectorAll("input")) {
    radio.checked = radio.value === chosen.key;
    radio.addEventListener("change", () => {
      savePreference("unit", radio.value);
      choose(unitOf(radio.value));
    });
  }
  choose(chosen);
}

/** Connect the choice of light, dark, or the system's scheme. */
export function listenToScheme(part, onChange) {
  const select = part("scheme");
  select.value = loadPreference("scheme") ?? "system";
  if (select.selectedIndex < 0) select.value = "system";
  const apply = () => {
    document.documentElement.dataset.scheme = select.value;
    onChange();
  };
  select.addEventListener("change", () => {
    savePreference("scheme", select.value);
    apply();
  });
  apply();
}

/**
 * Connect the controls of the chart range.
 * @param get returns the viewport, as `viewportOf` does
 * @param set receives the new range
 */
export function listenToRange(part, get, set) {
  for (const radio of part("windows").querySelectorAll("input")) {
    radio.addEventListener("change", () => {
      savePreference("window_s", radio.value);
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
    const viewport = get();
    const [from, to] = viewport.bounds;
    set(zoomed(viewport, factor, at ?? (from + to) / 2));
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

/** The action of a key on the charts; undefined for other keys. */
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
