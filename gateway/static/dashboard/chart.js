/** One chart: uPlot draws the rows of a track, with breaks, and hatched where readings are missing. */

import uPlot from "../vendor/uPlot.esm.js";
import { valueOf } from "./chart_definitions.js";
import { createScale } from "./scale.js";
import { tickText } from "./times.js";
import { EU_CUT_OFF_KMH } from "./units.js";

const MARKS = [0.5, 1, 2, 5, 10]; // distances between two marks, in steps of the scale
const MARK_GAP_REM = 0.7; // on both sides of the labels of the vertical axis
const AXIS_REM = 2.75;
const NARROW_REM = 16; // in a narrower chart the axis gets less space, and the line more
const NARROW_AXIS_REM = 2.2;
const NARROW_TIME_REM = 3.9;
const TIME_REM = 4.75; // between two times that are written in full
const TIME_STEPS_S = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
  ...[60, 120, 300, 600, 900, 1_800, 3_600, 7_200],
];
const FONT = '-apple-system, "Segoe UI", Roboto, Arial, sans-serif';
const SYNC_KEY = "bike"; // all charts of a bike share one pointer

/**
 * Put a chart into `element`.
 * @param definition one of `chartsFor`
 * @param context `{palette, room, getView, getUnit, isStale, onPoint}`. `room.axis_px` is the width of
 *   the vertical axes of all charts; `getView` returns `{from, to, holes}`; `onPoint` receives the
 *   pointer's position in pixels from the left, or null.
 */
export function createChart(element, definition, given) {
  const context = { ...given, scale: createScale(definition, null, null) };
  const plot = new uPlot(chartOptions(element, definition, context), [[], []], element);
  const resize = new ResizeObserver(() => plot.setSize(sizeOf(element)));
  resize.observe(element);
  return {
    plot,
    draw(rows) {
      const factor = factorOf(definition, context);
      const columns = definition.lines.map((line) => column(rows, line, factor));
      const { toPlot } = (context.scale = scaleFor(definition, columns));
      const inSteps = (value) => (value === null ? null : toPlot(value));
      const drawn = columns.map((values) => values.map(inSteps));
      plot.setData([rows.map(({ t }) => t), ...drawn]);
    },
    destroy() {
      resize.disconnect();
      plot.destroy();
    },
  };
}

function column(rows, line, factor) {
  return rows.map(({ reading }) => {
    const value = valueOf(reading, line);
    return value === null ? null : value * factor;
  });
}

function scaleFor(definition, columns) {
  let [low, high] = [null, null];
  for (const value of columns.flat()) {
    if (value === null) continue;
    if (low === null || value < low) low = value;
    if (high === null || value > high) high = value;
  }
  return createScale(definition, low, high);
}

function factorOf({ unit }, { getUnit }) {
  return unit === "speed" ? getUnit().factor : 1;
}

function chartOptions(element, definition, context) {
  return {
    ...sizeOf(element),
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      sync: { key: SYNC_KEY },
      points: { size: 7 },
    },
    scales: {
      x: { time: true, range: () => [context.getView().from, context.getView().to] },
      y: { range: () => [0, context.scale.top] },
    },
    axes: axesOf(context, element),
    padding: [10, () => remOf() * (isNarrow(element) ? 1 : 1.8), 0, 0], // space for half a label
    series: [{}, ...definition.lines.map((_line, place) => lineStyle(place, context))],
    hooks: {
      drawClear: [(plot) => drawHoles(plot, context)],
      draw: definition.unit === "speed" ? [(plot) => drawLimit(plot, context)] : [],
      setCursor: [({ cursor }) => context.onPoint(cursor.left >= 0 ? cursor.left : null)],
    },
  };
}

/**
 * The first line has the accent colour, and the second is dashed: they differ without colour, too. Both
 * are grey while the bike is silent.
 */
function lineStyle(place, { palette, isStale }) {
  const isFirst = place === 0;
  return {
    stroke: () => palette.colours[isStale() ? "quiet" : isFirst ? "accent" : "second"],
    fill: isFirst ? () => (isStale() ? "transparent" : palette.colours["accent-wash"]) : undefined,
    dash: isFirst ? undefined : [5, 3],
    width: isFirst ? 1.75 : 1.5,
    points: { size: 3.5 }, // drawn where there is space, and for single readings
  };
}

function axesOf(context, element) {
  const { palette } = context;
  const rem = remOf(); // charts are made again when it changes
  const axis = {
    stroke: () => palette.colours.quiet,
    grid: { stroke: () => palette.colours.line, width: 1 },
    ticks: { show: false },
    font: fontOf(rem),
  };
  // a narrow chart omits a label that does not fit before the edge
  const roomOf = ({ bbox }) => element.clientWidth - bbox.left / devicePixelRatio;
  const fits = (plot, t) =>
    !isNarrow(element) || plot.valToPos(t, "x") + rem * 1.5 < roomOf(plot);
  const times = (plot, seconds) => seconds.map((t) => (fits(plot, t) ? tickText(t) : ""));
  const timeRem = () => (isNarrow(element) ? NARROW_TIME_REM : TIME_REM);
  // labels of tenths need half the space of whole seconds
  const apart = (_plot, _axis, from, to, width) =>
    rem * (width / (to - from) < rem * timeRem() ? timeRem() : timeRem() / 2);
  const space = () => rem * (element.clientHeight < rem * 10 ? 1.6 : 2.5);
  return [
    { ...axis, space: apart, size: rem * 1.6, incrs: TIME_STEPS_S, values: times },
    {
      ...axis,
      space,
      incrs: MARKS,
      values: (_plot, marks, _axis, _space, every) => context.scale.labels(marks, every),
      size: (_plot, labels) => axisWidth(context.room, labels ?? [], element),
    },
  ];
}

/** The width of the vertical axes, the same for all charts: as wide as the longest label so far. */
function axisWidth(room, labels, element) {
  const rem = remOf();
  const widest = Math.max(...labels.map((label) => widthOf(label, rem)), 0);
  const least = rem * (isNarrow(element) ? NARROW_AXIS_REM : AXIS_REM);
  room.axis_px = Math.max(room.axis_px, Math.ceil(widest + rem * MARK_GAP_REM));
  return Math.max(least, room.axis_px);
}

function widthOf(label, rem) {
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.font = fontOf(rem);
  return pen.measureText(label).width;
}

function fontOf(rem) {
  return `${Math.round(rem * 0.75)}px ${FONT}`;
}

function isNarrow({ clientWidth }) {
  return clientWidth < remOf() * NARROW_REM;
}

/** The root font size in px, which the reader can choose. */
export function remOf() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/** Hatch the holes, lighter than any line. */
function drawHoles(plot, { palette, getView }) {
  const { ctx, bbox } = plot;
  const { from, to, holes } = getView();
  const xOf = (t) => plot.valToPos(Math.min(Math.max(t, from), to), "x", true);
  ctx.save();
  ctx.fillStyle = hatch(ctx, palette.colours.hatch);
  for (const hole of holes) {
    const left = xOf(hole.from);
    ctx.fillRect(left, bbox.top, Math.max(xOf(hole.to) - left, 1), bbox.height);
  }
  ctx.restore();
}

function hatch(ctx, colour) {
  const size = 8 * devicePixelRatio;
  const canvas = new OffscreenCanvas(size, size);
  const pen = canvas.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5 * devicePixelRatio;
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift, size);
    pen.lineTo(shift + size, 0);
  }
  pen.stroke();
  return ctx.createPattern(canvas, "repeat");
}

/** Draw a line at the speed above which no motor helps. */
function drawLimit(plot, { palette, getUnit, scale }) {
  const { ctx, bbox } = plot;
  const y = plot.valToPos(scale.toPlot(EU_CUT_OFF_KMH * getUnit().factor), "y", true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.strokeStyle = palette.colours.quiet;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

function sizeOf(element) {
  return { width: element.clientWidth, height: element.clientHeight };
}
