/** Change elements only if something differs. */

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute; null removes it. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Set a style. The last value is kept in `dataset`, because the browser may rewrite a style. */
export function setStyle(element, name, value) {
  if (element.dataset[name] === value) return;
  element.dataset[name] = value;
  element.style.setProperty(name, value);
}

/** Show a state as text; style sheets use `kind` for its colour. */
export function setState(element, kind, label) {
  setText(element, label);
  if (element.dataset.kind !== kind) element.dataset.kind = kind;
}

/** Show a text, or hide the element. */
export function setNotice(element, text) {
  element.hidden = !text;
  setText(element, text ?? "");
}

export function create(tag, className, parent, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  parent?.append(element);
  return element;
}

/** Enable or disable a button; the focus of a disabled button moves to `other`. */
export function setEnabled(button, enabled, other) {
  if (button.disabled === !enabled) return;
  const hadFocus = button.ownerDocument.activeElement === button;
  button.disabled = !enabled;
  if (!enabled && hadFocus) {
    other.disabled = false;
    other.focus();
  }
}
