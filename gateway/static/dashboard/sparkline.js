/** Draw the recent speeds of a bike on a small canvas. */

import { SPEED_POINTS } from "./speed_ring.js";

const SPEED_MAX_KMH = 45; // one scale for all, so that bikes can be compared
const LINE_PX = 1.5;
const SIZE = { width: 96, height: 28 }; // 6 by 1.75 rem, as in the style sheet
const LETTER_PX = 16; // one rem by default

/** Create the canvas. It needs no text for screen readers: the speed is beside it. */
export function createSparkline(parent) {
  const canvas = parent.appendChild(document.createElement("canvas"));
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/** Screen pixels per pixel of a sparkline: it grows with the font size. */
export function sparklineScale() {
  const letter_px = parseFloat(getComputedStyle(document.documentElement).fontSize);
  return (devicePixelRatio * letter_px) / LETTER_PX;
}

/** Draw the lines of `speedLines`. */
export function drawSparkline(canvas, lines, scale, { accent, quiet }, isStale) {
  const context = fitted(canvas, scale);
  context.strokeStyle = isStale ? quiet : accent;
  context.lineWidth = LINE_PX;
  context.lineJoin = "round";
  context.beginPath();
  for (const [first, ...others] of lines) {
    const [x, y] = [xOf(first.place), yOf(first.speed)];
    context.moveTo(x - 1, y);
    context.lineTo(x, y); // makes a single point visible
    for (const { place, speed } of others) context.lineTo(xOf(place), yOf(speed));
  }
  context.stroke();
}

function xOf(place) {
  return LINE_PX + (place / (SPEED_POINTS - 1)) * (SIZE.width - 2 * LINE_PX);
}

function yOf(speed_kmh) {
  const share = Math.min(speed_kmh / SPEED_MAX_KMH, 1);
  return SIZE.height - LINE_PX - share * (SIZE.height - 2 * LINE_PX);
}

function fitted(canvas, scale) {
  const context = canvas.getContext("2d");
  const width = Math.round(SIZE.width * scale);
  if (canvas.width !== width) {
    canvas.width = width;
    canvas.height = Math.round(SIZE.height * scale);
  }
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, SIZE.width, SIZE.height);
  return context;
}
