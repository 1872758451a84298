/** The charts of the bike shown: one view of time, one pointer, drawn in turn. */

import { chartsFor, noteKeys, valueOf } from "./channels.js";
import { createChart, remOf } from "./chart.js";
import { create, setAttribute, setText } from "./elements.js";
import { listenToGestures } from "./gestures.js";
import { numberWord } from "./numbers.js";
import { readingAt, readingAtEnd, stepFrom, viewOf } from "./view.js";
import { clockWord, momentWord, windowWord } from "./words.js";

const BUDGET_MS = 5; // of a frame's 16: the rest of the charts is drawn in the next one
const DRAW_MS = [100, 250]; // as often as a point moves by a pixel, within these
const NEAR = "300px"; // so far outside the window a chart is drawn: scrolling shows none that is empty
const WORDS_EVERY_MS = 5_000; // for those who read the charts' names

/**
 * Take over the charts' part of the page.
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
  context.palette.onChange(() => hurry(charts));
  new ResizeObserver(() => {
    if (charts.list.length > 0 && charts.rem !== remOf()) remake();
    hurry(charts);
    context.request();
  }).observe(stack);
  const noteSight = (changes) => {
    for (const { target, isIntersecting } of changes) target.dataset.inSight = isIntersecting;
    hurry(charts);
    context.request();
  };
  const inSight = new IntersectionObserver(noteSight, { rootMargin: NEAR });
  listenToGestures(stack, gesturesOf(charts, context));
  function empty() {
    for (const { chart, figure } of charts.list) {
      inSight.unobserve(figure);
      chart.destroy();
    }
    stack.replaceChildren();
  }
  /** Make the charts anew where letters have another size. */
  function remake() {
    empty();
    Object.assign(charts, { list: [], waiting: [], isGrown: true });
    emptied(charts.room);
  }
  return {
    /** Begin with another bike. */
    clear() {
      empty();
      Object.assign(charts, createState(), { room: emptied(charts.room) });
    },
    /** Note which values a reading carries. */
    note(reading) {
      charts.isGrown = noteKeys(reading, charts.keys, charts.extraKeys) || charts.isGrown;
    },
    hurry: () => hurry(charts),
    /** Name the charts anew as soon as they show what they should. */
    name: () => nameAnew(charts),
    /** Move the pointer to the reading before (-1) or after (1), and tell what is there. */
    step(way) {
      const from = charts.pointed ?? (way < 0 ? charts.view.to : charts.view.from);
      const row = stepFrom(charts.view, from, way);
      if (row === null) return null;
      point(charts, row.t);
      return sayPoint(charts, row);
    },
    unpoint: () => point(charts, null),
    /** Draw what is due; true when there is more to draw. */
    draw(state, now_ms) {
      if (charts.unit !== state.unit) nameAnew(charts);
      Object.assign(charts, { unit: state.unit, isStale: state.is.kind !== "online" });
      if (charts.isGrown) grow(charts, stack, shown, inSight);
      if (isDue(charts, state, now_ms)) begin(charts, stack, state, now_ms);
      drawSome(charts);
      if (charts.isPointedAnew) drawPoint(charts, part);
      if (isToBeNamed(charts, now_ms)) sayAll(charts, now_ms);
      return charts.waiting.length > 0;
    },
  };
}

function createState() {
  return {
    list: [],
    keys: new Set(),
    extraKeys: new Set(),
    isGrown: false,
    rem: 0, // the size of letters they were made for
    view: { from: 0, to: 1, rows: [], holes: [] },
    unit: { factor: 1, speed: "km/h" },
    isStale: false,
    room: { axis_px: 0 },
    waiting: [],
    drawn_ms: -Infinity,
    said_ms: -Infinity,
    pointed: null,
    isPointedAnew: false,
  };
}

/** Charts that are made anew need no more room than what they show. */
function emptied(room) {
  return Object.assign(room, { axis_px: 0 });
}

function hurry(charts) {
  charts.drawn_ms = -Infinity;
}

function nameAnew(charts) {
  charts.said_ms = -Infinity;
}

/** Not while another view is about to be read: its names would be those of the last one. */
function isToBeNamed({ drawn_ms, said_ms }, now_ms) {
  return drawn_ms > -Infinity && now_ms - said_ms > WORDS_EVERY_MS;
}

/** Make the charts for values seen for the first time. */
function grow(charts, stack, context, inSight) {
  Object.assign(charts, { isGrown: false, rem: remOf() });
  const known = new Map(charts.list.map((one) => [one.definition.key, one]));
  charts.list = chartsFor(charts.keys, charts.extraKeys).map(
    (definition) => known.get(definition.key) ?? createFigure(definition, stack, context, inSight),
  );
  stack.append(...charts.list.map(({ figure }) => figure));
  hurry(charts);
  nameAnew(charts);
}

function createFigure(definition, stack, context, inSight) {
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
  inSight.observe(figure);
  return { definition, figure, title, values, box, chart: createChart(box, definition, context) };
}

function isDue(charts, { bounds: [from, to] }, now_ms) {
  const pixel_ms = ((to - from) * 1000) / Math.max(plotWidth(charts), 1);
  const every_ms = Math.min(Math.max(pixel_ms, DRAW_MS[0]), DRAW_MS[1]);
  return charts.waiting.length === 0 && now_ms - charts.drawn_ms >= every_ms;
}

/** Read the track once for all charts; those in sight wait for their turn. */
function begin(charts, stack, { track, bounds, now }, now_ms) {
  charts.view = viewOf(track, bounds, Math.max(stack.clientWidth, 200), now);
  charts.waiting = charts.list.filter(({ figure }) => figure.dataset.inSight === "true");
  charts.drawn_ms = now_ms;
  charts.isPointedAnew = true;
}

function drawSome(charts) {
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
    setText(title, titleOf(definition, charts.unit));
    definition.lines.forEach((line, place) =>
      setText(values[place], valueWord(row, line, definition, charts)),
    );
  }
  const t = pointed === null ? null : (row?.t ?? pointed);
  setText(part("pointed"), t === null ? "" : `at ${momentWord(t * 1000)}`);
}

function titleOf({ title, unit }, { speed }) {
  const name = unit === "speed" ? speed : unit;
  return name ? `${title}, ${name}` : title;
}

function valueWord(row, line, { unit, key }, charts) {
  const value = valueOf(row?.reading, line);
  if (value === null) return "–";
  if (unit === "speed") return (value * charts.unit.factor).toFixed(1);
  return key.startsWith("extra-") ? numberWord(value) : value.toFixed(0);
}

function sayPoint(charts, row) {
  const words = charts.list.flatMap(({ definition }) =>
    definition.lines.map((line) => `${line.label} ${valueWord(row, line, definition, charts)}`),
  );
  return `${momentWord(row.t * 1000)}: ${words.join(", ")}`;
}

/** Name each chart by what it shows. */
function sayAll(charts, now_ms) {
  const { from, to, rows } = charts.view;
  if (rows.length === 0) return;
  charts.said_ms = now_ms;
  for (const { definition, box } of charts.list) {
    const values = rows
      .map(({ reading }) => valueOf(reading, definition.lines[0]))
      .filter((v) => v !== null);
    const factor = definition.unit === "speed" ? charts.unit.factor : 1;
    const isExtra = definition.key.startsWith("extra-");
    const word = (value) => isExtra ? numberWord(value) : (value * factor).toFixed(1);
    const [low, high] = extremes(values).map(word);
    const span = `${titleOf(definition, charts.unit)}, ${windowWord(to - from)} to ${clockWord(to * 1000)}`;
    setAttribute(
      box,
      "aria-label",
      values.length > 0 ? `${span}: from ${low} to ${high}` : `${span}: nothing`,
    );
  }
}

function extremes(values) {
  return [
    values.reduce((a, b) => Math.min(a, b), Infinity),
    values.reduce((a, b) => Math.max(a, b), -Infinity),
  ];
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
