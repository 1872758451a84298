/** The style sheet's colours for canvases. */

export const COLOURS = ["accent", "accent-wash", "second", "quiet", "line", "hatch"];

/** `colours` by name; `onChange` adds a listener for new ones; `refresh` reads them again. */
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

/** Read the colours from an element, because a canvas does not know light-dark(). */
function readColours(document) {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.style.forcedColorAdjust = "none"; // otherwise every name gives the text colour
  const entries = COLOURS.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(entries);
}
