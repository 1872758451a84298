/** Format numbers of any size with few characters: for values and for axis labels. Pure. */

const SMALL = 1e-4; // smaller numbers would begin with many zeros
const LARGE = 1e15; // larger numbers have digits that were not measured
const DIGITS = 3; // of a number with a power of ten
const PLACES_MAX = 20; // after the point: JavaScript's limit
const LABEL_MAX = 10; // characters that fit beside a narrow chart
const LABEL_DIGITS = 8; // of a longer label, its last digits: these differ

/** Format a number: "12,345,678", "-3.25", "4.2e-7". */
export function numberText(value) {
  const size = Math.abs(value);
  if (size > 0 && (size < SMALL || size >= LARGE)) return powerText(value, DIGITS - 1);
  const digits = size < 1 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 3 };
  return plainText(value, digits);
}

/** Label the marks of an axis, which are `step` apart: short, and all different. */
export function axisLabels(values, step) {
  const largest = Math.max(...values.map(Math.abs), 0);
  const places = Math.min(Math.max(extraPlaces(step) - placeOf(step), 0), PLACES_MAX);
  const fixed = { minimumFractionDigits: places, maximumFractionDigits: places };
  const plain = values.map((value) => plainText(value, fixed));
  const isSmall = largest > 0 && largest < SMALL;
  if (!isSmall && plain.every(hasRoom)) return plain;
  const digits = Math.max(placeOf(largest || 1) - placeOf(step) + extraPlaces(step), 0);
  const powers = values.map((value) => powerText(value, Math.min(digits, PLACES_MAX)));
  return isSmall || powers.every(hasRoom) ? powers : plain.map(endOf);
}

function hasRoom(word) {
  return word.length <= LABEL_MAX;
}

function plainText(value, options) {
  return (value || 0).toLocaleString("en", options).replace(/^-(0(\.0*)?)$/, "$1");
}

function powerText(value, digits) {
  if (value === 0) return "0";
  return value.toExponential(digits).replace(/\.?0*e\+?/, "e");
}

/** The end of a long label; the value beside the chart has all digits. */
function endOf(word) {
  return hasRoom(word) ? word : `…${word.slice(-LABEL_DIGITS).replace(/^,/, "")}`;
}

function placeOf(value) {
  return Math.floor(Math.log10(value) + 1e-9);
}

/** One more digit for steps such as 2.5. */
function extraPlaces(step) {
  const digit = step / 10 ** placeOf(step);
  return Math.abs(digit - Math.round(digit)) > 1e-6 ? 1 : 0;
}
