/** The list of bikes: one row a bike, made once, changed where something changed. */

import { hashOfBike } from "./route.js";
import { describeBike, speedWord } from "./words.js";

/** Keep the rows of `list` in step with the ids, in their order. */
export function createBikeList(list) {
  const rows = new Map();
  return {
    draw(ids, { bikes, link, selected }) {
      const present = new Set(ids);
      for (const id of rows.keys()) if (!present.has(id)) removeRow(rows, id);
      ids.forEach((id, place) => {
        if (!rows.has(id)) rows.set(id, createRow(id));
        const row = rows.get(id);
        if (list.children[place] !== row.item) list.insertBefore(row.item, list.children[place]);
        drawRow(row, bikes.get(id), link, id === selected);
      });
    },
  };
}

function createRow(id) {
  const item = document.createElement("li");
  const anchor = item.appendChild(document.createElement("a"));
  anchor.href = hashOfBike(id);
  const [name, model, state, speed] = ["name", "model", "state", "row-speed"].map((part) => {
    const span = anchor.appendChild(document.createElement("span"));
    span.className = part;
    return span;
  });
  name.textContent = id;
  return { item, anchor, model, state, speed };
}

function drawRow(row, bike, link, isSelected) {
  const { kind, label } = describeBike(bike.id, bike, link);
  setText(row.model, bike.model ?? "");
  setText(row.state, label);
  setText(row.speed, `${speedWord(bike.reading)} km/h`);
  row.state.dataset.kind = kind;
  if (isSelected) row.anchor.setAttribute("aria-current", "true");
  else row.anchor.removeAttribute("aria-current");
}

function removeRow(rows, id) {
  rows.get(id).item.remove();
  rows.delete(id);
}

/** Set a text only when it differs, so that a screen reader is not told the same twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
