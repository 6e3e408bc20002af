/** Photos with the objects of the ground truth beside what was predicted. */

const KINDS = {
  found: { sign: "✓", color: "#0072b2", dash: null, casing: "#fff", words: "found" },
  false: { sign: "✗", color: "#d55e00", dash: "7 4", casing: "#fff", words: "false" },
  missed: { sign: "○", color: "#f0c800", dash: "1.5 4", casing: "#000", words: "missed" },
  other: { sign: "·", color: "#8a919c", dash: "2 2", casing: "#fff", words: "not counted" },
};

/**
 * Make the legend of all pictures.
 */
function makePictureLegend() {
  const kinds = [
    ["found", "found: an object and the prediction that matches it"],
    ["false", "false: a prediction that matches no object"],
    ["missed", "missed: an object that no prediction matches"],
    ["other", "not counted: a crowd, and what lies on it"],
  ];
  return make(
    "ul",
    { class: "legend" },
    kinds.map(([kind, words]) => {
      const sample = make("svg", { viewBox: "0 0 32 14", "aria-hidden": "true" }, drawOutline("M2 3H30V11H2Z", kind, 1));
      return make("li", {}, sample, `${KINDS[kind].sign} ${words}`);
    }),
  );
}

/** Draw an outline on a casing, which shows on any photo. */
function drawOutline(path, kind, unit) {
  const { color, dash, casing } = KINDS[kind];
  const round = { "stroke-linejoin": "round", "stroke-linecap": kind === "missed" ? "round" : "butt" };
  return make(
    "g",
    {},
    make("path", { d: path, fill: color, "fill-opacity": kind === "other" ? 0.08 : 0.2, "fill-rule": "evenodd", stroke: casing, "stroke-width": 4.5 * unit, "stroke-opacity": 0.85, ...round }),
    make("path", { d: path, fill: "none", stroke: color, "stroke-width": 2.4 * unit, "stroke-dasharray": dash && dash.split(" ").map((part) => part * unit).join(" "), ...round }),
  );
}

/**
 * Draw a photo with objects and a label at each, for the width that it has.
 *
 * @param {object} picture width, height and src.
 * @param {object[]} objects kind, path, box [left, top, right, bottom] in pixels of the picture, label, short.
 * @param {function} isShown whether an object is drawn clearly.
 */
function makePhoto(picture, objects, title, isShown) {
  const { width, height, src } = picture;
  const marks = make("g");
  const svg = make(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title },
    make("image", { href: src, width, height, preserveAspectRatio: "none" }),
    marks,
  );
  svg.redraw = drawForWidth(svg, (shown) => {
    const unit = Math.max(width / shown, 0.25);
    const clear = objects.filter(isShown);
    const faded = objects.filter((each) => !isShown(each));
    marks.replaceChildren(
      ...faded.map(({ path, kind }) => make("g", { class: "faded" }, drawOutline(path, kind, unit))),
      ...clear.map(({ path, kind }) => drawOutline(path, kind, unit)),
      ...placeLabels(clear, width, height, unit),
    );
  });
  return svg;
}

/** Write a label at each object where there is room; where there is little, its class or its sign alone. */
function placeLabels(objects, width, height, unit) {
  const isCrowded = objects.length > 8 && width / unit < 500;
  const [size, pad] = [11.5 * unit, 3 * unit];
  const high = size * 1.35;
  const taken = [];
  const isFree = (place) =>
    taken.every((other) => place.x >= other.x + other.wide || other.x >= place.x + place.wide || place.y >= other.y + high || other.y >= place.y + high);
  return objects.flatMap(({ kind, box: [left, top, right, bottom], label, short }) => {
    const { sign, color, casing } = KINDS[kind];
    for (const text of [isCrowded ? null : `${sign} ${label}`, `${sign} ${short}`, sign].filter(Boolean)) {
      const cut = cutText(text, Math.min(width, 240 * unit) - 2 * pad, size, 600);
      const wide = measureText(cut, size, 600) + 2 * pad;
      const corners = [[left, top - high], [left, top], [right - wide, top - high], [left, bottom], [left, bottom - high], [right - wide, bottom - high]];
      const places = corners.map(([x, y]) => ({
        x: Math.min(Math.max(x, 0), Math.max(width - wide, 0)),
        y: Math.min(Math.max(y, 0), Math.max(height - high, 0)),
        wide,
      }));
      const place = places.find(isFree);
      if (place) {
        taken.push(place);
        const ground = { x: place.x, y: place.y, width: wide, height: high, rx: 2 * unit, stroke: color, "stroke-width": unit };
        const isPaper = kind === "false";
        return [
          make("rect", { ...ground, fill: isPaper ? "#fff" : color }),
          make("text", { x: place.x + pad, y: place.y + high - 0.42 * size, "font-size": size, fill: isPaper ? "#a34700" : casing }, cut),
        ];
      }
    }
    return [];
  });
}
