/** The charts of the open bike: one time range, one pointer, drawn in turn. */

import { createChart, remOf } from "./chart.js";
import { chartsFor, noteKeys } from "./chart_definitions.js";
import { chartLabel, chartTitle, chartValue, pointText } from "./chart_labels.js";
import { readingAt, readingAtEnd, stepFrom, viewOf } from "./chart_view.js";
import { create, setAttribute, setText } from "./elements.js";
import { listenToGestures } from "./gestures.js";
import { timeTenthsText } from "./times.js";

const BUDGET_MS = 5; // of a frame's 16 ms: the next frame draws the rest
const DRAW_MS = [100, 250]; // often enough for steps of one pixel, within these limits
const NEAR = "300px"; // a chart this close to the window is drawn already: scrolling shows no empty one
const LABELS_EVERY_MS = 5_000; // how often the names for screen readers change

/**
 * Control the charts' part of the page.
 * @param context `{palette, request, pan(s), zoom(factor, at), follow()}`
 */
export function createCharts(part, context) {
  const charts = createState();
  const stack = part("charts");
  const shown = {
    ...context,
    room: charts.room,
    getView: () => charts.view,
    getUnit: () => charts.unit,
    isStale: () => charts.isStale,
    onPoint,
  };
  function onPoint(x_px) {
    charts.pointed = x_px === null ? null : timeAt(charts.view, x_px, plotWidth(charts));
    charts.isPointedAnew = true;
    context.request();
  }
  context.palette.onChange(() => invalidate(charts));
  new ResizeObserver(() => {
    if (charts.list.length > 0 && charts.rem !== remOf()) remake();
    invalidate(charts);
    context.request();
  }).observe(stack);
  const noteVisible = (changes) => {
    for (const { target, isIntersecting } of changes) target.dataset.visible = isIntersecting;
    invalidate(charts);
    context.request();
  };
  const observer = new IntersectionObserver(noteVisible, { rootMargin: NEAR });
  listenToGestures(stack, gesturesOf(charts, context));
  function empty() {
    for (const { chart, figure } of charts.list) {
      observer.unobserve(figure);
      chart.destroy();
    }
    stack.replaceChildren();
  }
  /** Make the charts again after the font size changed. */
  function remake() {
    empty();
    Object.assign(charts, { list: [], waiting: [], hasNewKeys: true });
    emptied(charts.room);
  }
  return {
    /** Start with another bike. */
    clear() {
      empty();
      Object.assign(charts, createState(), { room: emptied(charts.room) });
    },
    /** Note the keys of a reading: a new one gets a chart. */
    note(reading) {
      charts.hasNewKeys = noteKeys(reading, charts.keys, charts.extraKeys) || charts.hasNewKeys;
    },
    invalidate: () => invalidate(charts),
    /** Update the names for screen readers once the charts are drawn. */
    name: () => relabel(charts),
    /** Move the pointer to the reading before (-1) or after (1), and return its values as text. */
    step(way) {
      const from = charts.pointed ?? (way < 0 ? charts.view.to : charts.view.from);
      const row = stepFrom(charts.view, from, way);
      if (row === null) return null;
      point(charts, row.t);
      return pointText(charts.list, row, charts.unit);
    },
    unpoint: () => point(charts, null),
    /** Draw the charts whose turn it is; true if more are waiting. */
    draw(state, now_ms) {
      if (charts.unit !== state.unit) relabel(charts);
      Object.assign(charts, { unit: state.unit, isStale: state.status.kind !== "online" });
      if (charts.hasNewKeys) addCharts(charts, stack, shown, observer);
      if (isDue(charts, state, now_ms)) begin(charts, stack, state, now_ms);
      drawWithinBudget(charts);
      if (charts.isPointedAnew) drawPoint(charts, part);
      if (isLabelDue(charts, now_ms)) labelCharts(charts, now_ms);
      return charts.waiting.length > 0;
    },
  };
}

function createState() {
  return {
    list: [],
    keys: new Set(),
    extraKeys: new Set(),
    hasNewKeys: false,
    rem: 0, // the font size that they were made for
    view: { from: 0, to: 1, rows: [], holes: [] },
    unit: { factor: 1, speed: "km/h" },
    isStale: false,
    room: { axis_px: 0 },
    waiting: [],
    drawn_ms: -Infinity,
    labelled_ms: -Infinity,
    pointed: null,
    isPointedAnew: false,
  };
}

/** Forget the width of the axes: new charts start with the narrowest. */
function emptied(room) {
  return Object.assign(room, { axis_px: 0 });
}

function invalidate(charts) {
  charts.drawn_ms = -Infinity;
}

function relabel(charts) {
  charts.labelled_ms = -Infinity;
}

/** Wait until the charts are drawn: the names must not describe the previous time range. */
function isLabelDue({ drawn_ms, labelled_ms }, now_ms) {
  return drawn_ms > -Infinity && now_ms - labelled_ms > LABELS_EVERY_MS;
}

/** Make charts for the new keys. */
function addCharts(charts, stack, context, observer) {
  Object.assign(charts, { hasNewKeys: false, rem: remOf() });
  const known = new Map(charts.list.map((one) => [one.definition.key, one]));
  charts.list = chartsFor(charts.keys, charts.extraKeys).map(
    (definition) => known.get(definition.key) ?? createFigure(definition, stack, context, observer),
  );
  stack.append(...charts.list.map(({ figure }) => figure));
  invalidate(charts);
  relabel(charts);
}

function createFigure(definition, stack, context, observer) {
  const figure = create("figure", `chart chart-${definition.key}`, stack);
  const caption = create("figcaption", "", figure);
  const title = create("span", "chart-title", caption, definition.title);
  const values = definition.lines.map(({ label }, place) => {
    const value = create("span", `value line-${place}`, caption);
    if (definition.lines.length > 1) create("span", "line-label", value, label);
    return create("b", "", value);
  });
  const box = create("div", "plot", figure);
  box.setAttribute("role", "img");
  observer.observe(figure);
  return { definition, figure, title, values, box, chart: createChart(box, definition, context) };
}

function isDue(charts, { bounds: [from, to] }, now_ms) {
  const pixel_ms = ((to - from) * 1000) / Math.max(plotWidth(charts), 1);
  const every_ms = Math.min(Math.max(pixel_ms, DRAW_MS[0]), DRAW_MS[1]);
  return charts.waiting.length === 0 && now_ms - charts.drawn_ms >= every_ms;
}

/** Read the track once for all charts, and queue the visible ones. */
function begin(charts, stack, { track, bounds, now }, now_ms) {
  charts.view = viewOf(track, bounds, Math.max(stack.clientWidth, 200), now);
  charts.waiting = charts.list.filter(({ figure }) => figure.dataset.visible === "true");
  charts.drawn_ms = now_ms;
  charts.isPointedAnew = true;
}

function drawWithinBudget(charts) {
  const began_ms = performance.now();
  while (charts.waiting.length > 0 && performance.now() - began_ms < BUDGET_MS) {
    charts.waiting.shift().chart.draw(charts.view.rows);
  }
}

/** Show the values under the pointer, or the newest ones. */
function drawPoint(charts, part) {
  charts.isPointedAnew = false;
  const { view, pointed } = charts;
  const row = pointed === null ? readingAtEnd(view) : readingAt(view, pointed);
  for (const { definition, values, title } of charts.list) {
    setText(title, chartTitle(definition, charts.unit));
    definition.lines.forEach((line, place) =>
      setText(values[place], chartValue(row, line, definition, charts.unit)),
    );
  }
  const t = pointed === null ? null : (row?.t ?? pointed);
  setText(part("pointed"), t === null ? "" : `at ${timeTenthsText(t * 1000)}`);
}

/** Update the names of the charts for screen readers. */
function labelCharts(charts, now_ms) {
  if (charts.view.rows.length === 0) return;
  charts.labelled_ms = now_ms;
  for (const { definition, box } of charts.list) {
    setAttribute(box, "aria-label", chartLabel(definition, charts.view, charts.unit));
  }
}

function gesturesOf(charts, { pan, zoom, follow }) {
  const secondsAPixel = () => (charts.view.to - charts.view.from) / plotWidth(charts);
  return {
    pan: (px) => pan(-px * secondsAPixel()),
    zoom: (factor, x) => zoom(factor, timeAt(charts.view, x - plotLeft(charts), plotWidth(charts))),
    follow,
  };
}

/** Put the pointer of all charts at a time. */
function point(charts, t) {
  const plot = charts.list[0]?.chart.plot;
  charts.pointed = t;
  charts.isPointedAnew = true;
  if (!plot) return;
  const left = t === null ? -10 : plot.valToPos(t, "x");
  plot.setCursor({ left, top: t === null ? -10 : 0 });
}

function timeAt({ from, to }, x_px, width_px) {
  return from + (x_px / Math.max(width_px, 1)) * (to - from);
}

function plotLeft({ list }) {
  const plot = list[0]?.chart.plot;
  return plot ? plot.bbox.left / devicePixelRatio : 0;
}

function plotWidth({ list }) {
  const plot = list[0]?.chart.plot;
  return plot ? plot.bbox.width / devicePixelRatio : 0;
}
