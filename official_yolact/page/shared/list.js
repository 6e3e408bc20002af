/** The list of objects: a table with a button for each. */

import { chooseColors, toCss } from "./drawing.js";

const numbers = new Intl.NumberFormat("en");

/** Count the objects of each name, in one sentence. */
export function summarise(instances) {
  const counts = new Map();
  for (const { name } of instances) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const listed = [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
  const total = `${instances.length} object${instances.length === 1 ? "" : "s"}`;
  return listed ? `${total}: ${listed}.` : `${total}. A lower score may show some.`;
}

/** Shows instances as rows. */
export class List {
  #rows;
  #on;

  /**
   * @param {HTMLElement} rows gets a row for each instance.
   * @param {{press: function(number), hover: function(number)}} on is called with the index of an instance when
   *   its button is pressed, and when a pointer is over its row, or -1 when it leaves.
   */
  constructor(rows, on) {
    this.#rows = rows;
    this.#on = on;
    rows.addEventListener("pointerleave", () => on.hover(-1));
  }

  /** Show instances of a photo of so many pixels. */
  show(instances, pixels) {
    const colors = chooseColors(instances);
    this.#rows.replaceChildren(
      ...instances.map((instance, index) => this.#makeRow(instance, index, colors[index], pixels)),
    );
  }

  /** Mark the rows of the instance that is pressed, and of the one under the pointer; -1: none. */
  mark(pressed, hovered) {
    for (const [index, row] of [...this.#rows.children].entries()) {
      row.querySelector("button").setAttribute("aria-pressed", String(index === pressed));
      row.classList.toggle("hovered", index === hovered);
    }
  }

  #makeRow(instance, index, color, pixels) {
    const row = document.createElement("tr");
    const { area } = instance.mask;
    const share = area / pixels;
    const first = document.createElement("td");
    first.append(this.#makeButton(instance, index, color));
    const score = makeNumberCell(instance.score, `${(100 * instance.score).toFixed(1)} %`);
    const size = makeNumberCell(area, numbers.format(area));
    row.append(first, score, size, makeNumberCell(share, `${(100 * share).toFixed(1)} %`));
    row.addEventListener("pointerenter", () => this.#on.hover(index));
    return row;
  }

  /** Make the button that lets an instance stand out in the picture. */
  #makeButton(instance, index, color) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "name";
    button.setAttribute("aria-pressed", "false");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.backgroundColor = toCss(color);
    const name = document.createElement("span");
    name.textContent = instance.name;
    button.append(swatch, name);
    button.addEventListener("click", () => this.#on.press(index));
    return button;
  }
}

function makeNumberCell(value, text) {
  const cell = document.createElement("td");
  cell.className = "number";
  const number = document.createElement("data");
  number.value = String(value);
  number.textContent = text;
  cell.append(number);
  return cell;
}
