/** The speed chart: uPlot over a series. Colours come from the style sheet. */

import uPlot from "../vendor/uPlot.esm.js";
import { speedAxisMax, visibleRange } from "./series.js";
import { clockWord, speedWord } from "./words.js";

const HEIGHT_PX = 240;

/**
 * Put a chart into `element`.
 * @param {(text: string) => void} onPoint told what the pointer is at, "" when at nothing
 * @returns {{draw: (series: object, age_s: number) => void}}
 */
export function createChart(element, onPoint) {
  const shown = { range: [0, 1] };
  const plot = new uPlot(chartOptions(element, shown, onPoint), [[], []], element);
  new ResizeObserver(() => plot.setSize(sizeOf(element))).observe(element);
  // uPlot asks for colours when it draws: a reader who turns to the dark sees it at once.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
  return {
    draw(series, age_s) {
      shown.range = visibleRange(series, age_s);
      plot.setData([series.times, series.speeds]);
    },
  };
}

function chartOptions(element, shown, onPoint) {
  return {
    ...sizeOf(element),
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: () => shown.range },
      y: { range: (_plot, _min, max) => [0, speedAxisMax(max ?? 0)] },
    },
    axes: [
      axis(element, { space: 64, size: 30, values: (_plot, times) => times.map(timeLabel) }),
      axis(element, { size: 34 }),
    ],
    padding: [8, 28, 0, 0], // room for half a label of time
    series: [{}, speedLine(element)],
    hooks: { setCursor: [(plot) => onPoint(pointWord(plot))] },
  };
}

function speedLine(element) {
  return {
    stroke: () => colour(element, "--accent"),
    fill: () => colour(element, "--accent-wash"),
    width: 2,
    points: { size: 4 }, // drawn where there is room, and where a reading stands alone
  };
}

function axis(element, options) {
  const line = () => colour(element, "--line");
  return {
    stroke: () => colour(element, "--quiet"),
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    ...options,
  };
}

function pointWord({ cursor, data: [times, speeds] }) {
  const speed_kmh = speeds[cursor.idx];
  if (speed_kmh == null) return "";
  return `${timeLabel(times[cursor.idx])}: ${speedWord({ speed_kmh })} km/h`;
}

function timeLabel(time) {
  return clockWord(time * 1000);
}

function colour(element, name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function sizeOf(element) {
  return { width: element.clientWidth, height: HEIGHT_PX };
}
