/** Small steps in the document that touch it only when something differs. */

/** Set a text only when it differs. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute only when it differs; null takes it away. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Set a style only when it differs; the browser may write it in its own way. */
export function setStyle(element, name, value) {
  if (element.dataset[name] === value) return;
  element.dataset[name] = value;
  element.style.setProperty(name, value);
}

/** Show a state as a word, with the kind for its colour. */
export function setState(element, kind, label) {
  setText(element, label);
  if (element.dataset.kind !== kind) element.dataset.kind = kind;
}

/** Show a text, or nothing at all. */
export function setNotice(element, text) {
  element.hidden = !text;
  setText(element, text ?? "");
}

/** Make an element with a class, a text and a parent. */
export function create(tag, className, parent, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  parent?.append(element);
  return element;
}

/** Turn a button on or off; the keyboard's focus goes on to the one that takes its place. */
export function setEnabled(button, enabled, other) {
  if (button.disabled === !enabled) return;
  const hadFocus = button.ownerDocument.activeElement === button;
  button.disabled = !enabled;
  if (!enabled && hadFocus) {
    other.disabled = false;
    other.focus();
  }
}
