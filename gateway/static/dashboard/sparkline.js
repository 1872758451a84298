/** Draw the last speeds of a bike on a small canvas. */

const SPEED_MAX_KMH = 45; // one scale for the fleet: bikes are compared by it
const BRIDGED_S = 3; // what is silent for longer is offline: there the line breaks
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

/** Draw points, oldest first; NaN breaks the line. */
export function drawSparkline(canvas, points, scale, { accent, quiet }, isStale) {
  const context = fitted(canvas, scale);
  context.strokeStyle = isStale ? quiet : accent;
  context.lineWidth = LINE_PX;
  context.lineJoin = "round";
  context.beginPath();
  let last = -Infinity;
  points.forEach((speed, place) => {
    if (Number.isNaN(speed)) return;
    extend(context, xOf(place, points.length), yOf(speed), place - last <= BRIDGED_S);
    last = place;
  });
  context.stroke();
}

function extend(context, x, y, isDrawing) {
  if (isDrawing) context.lineTo(x, y);
  else context.moveTo(x - 1, y);
  context.lineTo(x, y); // a point that stands alone is seen
}

function xOf(place, count) {
  return LINE_PX + (place / (count - 1)) * (SIZE.width - 2 * LINE_PX);
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
