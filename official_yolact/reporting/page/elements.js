/** Makes elements and words. Text goes into text nodes alone, so that no name is ever read as HTML. */

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "g", "path", "line", "rect", "circle", "text", "tspan", "image", "title"]);

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {object} attributes by name; those that are null or false are left out.
 * @param {...(Node|string|number)} children texts become text nodes.
 */
function make(tag, attributes = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(name, value);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Make a name from outside, kept apart from the direction of the text around it. */
function makeName(text) {
  return make("bdi", {}, text);
}

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** Points of AP: hundredths with one decimal; a dash where there is no such number. */
function toPoints(value) {
  return isNumber(value) && value >= 0 ? (100 * value).toFixed(1) : "–";
}

/** A share of 1 as a percentage. */
function toPercent(value, digits = 0) {
  return isNumber(value) && value >= 0 ? `${(100 * value).toFixed(digits)}%` : "–";
}

function toCount(value) {
  return isNumber(value) ? Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",") : "–";
}

function toFixed(value, digits = 2) {
  return isNumber(value) && value >= 0 ? value.toFixed(digits) : "–";
}

/** A score threshold, never rounded up: one that reads 1.00 would find nothing. */
function toThreshold(value) {
  if (!isNumber(value)) {
    return "–";
  }
  const digits = value < 0.99 ? 2 : 4;
  return (Math.floor(value * 10 ** digits + 1e-6) / 10 ** digits).toFixed(digits);
}

/** "1 image", "2 images". */
function countOf(number, one, many = `${one}s`) {
  return `${toCount(number)} ${number === 1 ? one : many}`;
}

/** A list of buttons of which one is pressed. */
function makeChoice(label, options, chosen, choose, className = "choice") {
  const buttons = options.map(([value, text, isDisabled]) =>
    make(
      "button",
      {
        type: "button",
        disabled: Boolean(isDisabled),
        "aria-pressed": String(value === chosen),
        "data-value": value,
        click: () => {
          buttons.forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.value === value)));
          choose(value);
        },
      },
      text,
    ),
  );
  return make("div", { class: className, role: "group", "aria-label": label }, buttons);
}

/** A select of names with a label above. */
function makeSelect(label, options, choose) {
  const list = make("select", { change: () => choose(list.value) }, [
    options.map(([value, text]) => make("option", { value }, text)),
  ]);
  return make("label", { class: "field" }, label, list);
}

let measuring = null;

/** Width of a text in pixels. */
function measureText(text, size, weight = 400) {
  measuring ??= document.createElement("canvas").getContext("2d");
  measuring.font = `${weight} ${size}px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif`;
  return measuring.measureText(text).width;
}

/** Cut a text to a width. */
function cutText(text, width, size, weight = 400) {
  const letters = [...text];
  if (measureText(text, size, weight) <= width) {
    return text;
  }
  while (letters.length > 1 && measureText(`${letters.join("")}…`, size, weight) > width) {
    letters.pop();
  }
  return `${letters.join("")}…`;
}
