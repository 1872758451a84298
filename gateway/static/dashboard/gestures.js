/** Pan and zoom by pointer, wheel and fingers, in pixels. */

const WHEEL_FACTOR = 1.002; // one notch of 100 zooms by a fifth

/**
 * Listen on an element.
 * @param act `{pan(px), zoom(factor, x), follow()}`: px to the right, x from the left edge
 */
export function listenToGestures(element, act) {
  const pointers = new Map();
  const xOf = (event) => event.clientX - element.getBoundingClientRect().left;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, xOf(event));
  });
  element.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = new Map(pointers);
    pointers.set(event.pointerId, xOf(event));
    moved([...before.values()], [...pointers.values()], act);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    element.addEventListener(end, ({ pointerId }) => pointers.delete(pointerId));
  }
  element.addEventListener("dblclick", act.follow);
  element.addEventListener("wheel", (event) => wheeled(event, xOf(event), act), { passive: false });
}

/** One pointer pans, two pinch. */
function moved(before, after, { pan, zoom }) {
  if (after.length === 1) return pan(after[0] - before[0]);
  const [wasApart, wasSilent] = [before, after].map(([one, other]) => Math.abs(one - other));
  if (wasApart > 0 && wasSilent > 0) zoom(wasApart / wasSilent, (after[0] + after[1]) / 2);
}

/** The wheel alone scrolls the page; with Ctrl it zooms, sideways it pans. */
function wheeled(event, x, { pan, zoom }) {
  const sideways = event.shiftKey ? event.deltaY : event.deltaX;
  if (event.ctrlKey || event.metaKey) zoom(WHEEL_FACTOR ** event.deltaY, x);
  else if (sideways !== 0) pan(-sideways);
  else return;
  event.preventDefault();
}
