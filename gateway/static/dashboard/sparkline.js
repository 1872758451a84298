/** Draw the last speeds of a bike on a small canvas. */

import { SPARK_POINTS } from "./spark.js";

const SPEED_MAX_KMH = 45; // one scale for the fleet: bikes are compared by it
const LINE_PX = 1.5;
const SIZE = { width: 96, height: 28 }; // 6 by 1.75 rem, as the style sheet says
const LETTER_PX = 16; // a rem where nobody chose larger letters

/** Make the canvas; its picture repeats the speed beside it, so it has no words of its own. */
export function createSparkline(parent) {
  const canvas = parent.appendChild(document.createElement("canvas"));
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/** How many pixels of the screen one of a sparkline is: pictures grow with the letters. */
export function sparkScale() {
  const letter_px = parseFloat(getComputedStyle(document.documentElement).fontSize);
  return (devicePixelRatio * letter_px) / LETTER_PX;
}

/** Draw the lines that `sparkLines` tells. */
export function drawSparkline(canvas, lines, scale, { accent, quiet }, isStale) {
  const context = fitted(canvas, scale);
  context.strokeStyle = isStale ? quiet : accent;
  context.lineWidth = LINE_PX;
  context.lineJoin = "round";
  context.beginPath();
  for (const [first, ...others] of lines) {
    const [x, y] = [xOf(first.place), yOf(first.speed)];
    context.moveTo(x - 1, y);
    context.lineTo(x, y); // a point that stands alone is seen
    for (const { place, speed } of others) context.lineTo(xOf(place), yOf(speed));
  }
  context.stroke();
}

function xOf(place) {
  return LINE_PX + (place / (SPARK_POINTS - 1)) * (SIZE.width - 2 * LINE_PX);
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
