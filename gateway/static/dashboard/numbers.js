/** Numbers of any size in few characters: values beside a chart, and the marks of an axis. Pure. */

const SMALL = 1e-4; // below it, zeros behind the point would hide the digits
const LARGE = 1e15; // above it, not every digit is one that was measured
const DIGITS = 3; // of a number that is written with a power of ten
const PLACES_MAX = 20; // behind a point, as far as JavaScript writes them
const LABEL_MAX = 10; // characters that have room beside a narrow chart
const LABEL_DIGITS = 8; // of a longer number, its last digits: these are the ones that differ

/** A number, "12,345,678", "-3.25", "4.2e-7". */
export function numberWord(value) {
  const size = Math.abs(value);
  if (size > 0 && (size < SMALL || size >= LARGE)) return powerWord(value, DIGITS - 1);
  const digits = size < 1 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 3 };
  return plainWord(value, digits);
}

/** The words at the marks of one axis, `step` apart: short, and no two of them alike. */
export function axisWords(values, step) {
  const largest = Math.max(...values.map(Math.abs), 0);
  const places = Math.min(Math.max(extraPlaces(step) - placeOf(step), 0), PLACES_MAX);
  const fixed = { minimumFractionDigits: places, maximumFractionDigits: places };
  const plain = values.map((value) => plainWord(value, fixed));
  const isSmall = largest > 0 && largest < SMALL;
  if (!isSmall && plain.every(hasRoom)) return plain;
  const digits = Math.max(placeOf(largest || 1) - placeOf(step) + extraPlaces(step), 0);
  const powers = values.map((value) => powerWord(value, Math.min(digits, PLACES_MAX)));
  return isSmall || powers.every(hasRoom) ? powers : plain.map(endOf);
}

function hasRoom(word) {
  return word.length <= LABEL_MAX;
}

function plainWord(value, options) {
  return (value || 0).toLocaleString("en", options).replace(/^-(0(\.0*)?)$/, "$1");
}

function powerWord(value, digits) {
  if (value === 0) return "0";
  return value.toExponential(digits).replace(/\.?0*e\+?/, "e");
}

/** The end of a long number: the value beside the chart has all of it. */
function endOf(word) {
  return hasRoom(word) ? word : `…${word.slice(-LABEL_DIGITS).replace(/^,/, "")}`;
}

/** The power of ten of a number's first digit. */
function placeOf(value) {
  return Math.floor(Math.log10(value) + 1e-9);
}

/** One place more for a step such as 2.5. */
function extraPlaces(step) {
  const digit = step / 10 ** placeOf(step);
  return Math.abs(digit - Math.round(digit)) > 1e-6 ? 1 : 0;
}
