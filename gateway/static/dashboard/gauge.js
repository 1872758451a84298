/** The gauge: an arc for the speed, with a mark where the motor must stop helping. */

import { cutOffIn, EU_CUT_OFF_KMH, gaugeMax } from "./units.js";

const SVG = "http://www.w3.org/2000/svg";
const FROM_DEG = 150; // the arc opens downwards: the number stands in the opening
const SWEEP_DEG = 240;
const RADIUS = 88;
const TICKS = 5;
const WORD_ROOM = 0.06; // of the arc: numbers closer to the mark's number would touch it
const NEAR = 0.0005; // of the arc: less than a pixel
const EASE_MS = 120; // the arc reaches a new speed about when the next reading arrives

/** Draw the gauge into an empty `<svg viewBox="-100 -100 200 200">`. */
export function createGauge(svg) {
  const track = addPath(svg, "gauge-track", arcPath(RADIUS));
  const fill = addPath(svg, "gauge-fill", arcPath(RADIUS));
  const marks = svg.appendChild(document.createElementNS(SVG, "g"));
  for (const path of [track, fill]) path.setAttribute("pathLength", "1");
  fill.setAttribute("stroke-dasharray", "0 2");
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
  const gauge = { share: 0, target: 0, scale: "", last_ms: 0, fastest_kmh: 0 };
  return {
    /** Start with another bike. The scale fits the highest speed of the bike so far. */
    clear() {
      gauge.fastest_kmh = 0;
    },
    set(speed_kmh, unit) {
      gauge.fastest_kmh = Math.max(gauge.fastest_kmh, speed_kmh);
      const max = gaugeMax(gauge.fastest_kmh, unit);
      gauge.target = Math.min((speed_kmh * unit.factor) / max, 1);
      const scale = `${unit.key} ${max}`;
      if (scale !== gauge.scale) drawMarks(marks, max, unit);
      gauge.scale = scale;
    },
    /** Animate one frame; true while the arc is moving. */
    step(now_ms) {
      const part = 1 - Math.exp(-Math.min(now_ms - gauge.last_ms, EASE_MS) / EASE_MS);
      gauge.last_ms = now_ms;
      const left = gauge.target - gauge.share;
      if (left === 0) return false;
      gauge.share =
        isCalm.matches || Math.abs(left) < NEAR ? gauge.target : gauge.share + left * part;
      fill.setAttribute("stroke-dasharray", `${gauge.share.toFixed(4)} 2`);
      return gauge.share !== gauge.target;
    },
  };
}

function drawMarks(group, max, unit) {
  group.replaceChildren();
  const share = (EU_CUT_OFF_KMH * unit.factor) / max;
  for (let place = 0; place <= TICKS; place += 1) {
    const hasRoom = Math.abs(place / TICKS - share) > WORD_ROOM;
    addMark(group, place / TICKS, hasRoom ? Math.round((max * place) / TICKS) : "");
  }
  addLine(group, share, "gauge-limit", RADIUS - 10, RADIUS + 9);
  addText(group, share, RADIUS - 20, cutOffIn(unit), "gauge-limit-word");
}

function addMark(group, share, text) {
  addLine(group, share, "gauge-tick", RADIUS - 16, RADIUS - 12);
  addText(group, share, RADIUS - 25, text, "gauge-word");
}

function addText(group, share, radius, value, className) {
  const [x, y] = pointAt(share, radius);
  const text = group.appendChild(document.createElementNS(SVG, "text"));
  Object.entries({ x, y, class: className }).forEach(([name, value]) =>
    text.setAttribute(name, value),
  );
  text.textContent = `${value}`;
}

function addLine(group, share, className, from, to) {
  const line = group.appendChild(document.createElementNS(SVG, "line"));
  const [[x1, y1], [x2, y2]] = [pointAt(share, from), pointAt(share, to)];
  Object.entries({ x1, y1, x2, y2, class: className }).forEach(([name, value]) =>
    line.setAttribute(name, value),
  );
}

function addPath(svg, className, d) {
  const path = svg.appendChild(document.createElementNS(SVG, "path"));
  path.setAttribute("class", className);
  path.setAttribute("d", d);
  return path;
}

function arcPath(radius) {
  const [x1, y1] = pointAt(0, radius);
  const [x2, y2] = pointAt(1, radius);
  return `M ${x1} ${y1} A ${radius} ${radius} 0 1 1 ${x2} ${y2}`;
}

function pointAt(share, radius) {
  const angle = ((FROM_DEG + share * SWEEP_DEG) * Math.PI) / 180;
  return [radius * Math.cos(angle), radius * Math.sin(angle)].map((value) =>
    Number(value.toFixed(2)),
  );
}
