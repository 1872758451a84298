/** The style sheet's colours for canvases, read again when the scheme changes. */

const NAMES = ["accent", "accent-wash", "second", "quiet", "line", "text", "warn", "hatch"];

/** `colours` by name; `onChange` is told when they are others; `refresh` reads them again. */
export function createPalette(document) {
  const listeners = [];
  const palette = { colours: readColours(document), onChange, refresh };
  function onChange(call) {
    listeners.push(call);
  }
  function refresh() {
    palette.colours = readColours(document);
    for (const call of listeners) call();
  }
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"])
    matchMedia(query).addEventListener("change", refresh);
  return palette;
}

/** A canvas does not know light-dark(): an element turns each name into a plain colour. */
function readColours(document) {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.style.forcedColorAdjust = "none"; // else every name is the colour of text
  const entries = NAMES.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(entries);
}
