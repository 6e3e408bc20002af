/** Charts as SVG, drawn for the width that they have. */

const CHART_COLORS = ["#0b5cad", "#d55e00", "#117a55", "#8e4585", "#806600"];
const CHART_DASHES = [null, "7 4", "2 3", "9 3 2 3", "12 4"];

/** Call a function with the width of an element, now and whenever it changes. */
function drawForWidth(element, draw) {
  let last = 0;
  const observer = new ResizeObserver(() => {
    const width = Math.round(element.clientWidth);
    if (width > 0 && width !== last) {
      last = width;
      draw(width);
    }
  });
  observer.observe(element);
  return () => last && draw(last);
}

/**
 * Draw lines over numbers from 0 to 1.
 *
 * @param {object} options
 *   label: what the chart shows, for those who cannot see it.
 *   x, y: {title, max, format} of the axes.
 *   read: (series) -> {series: [{name, points: [[x, y]], wide}], marks: [{x, text}], diagonal}; is called
 *     for each drawing.
 * @returns {HTMLElement} a figure whose `redraw` draws it again.
 */
function makeLineChart({ label, x, y, read }) {
  const drawing = make("div");
  const legend = make("ul", { class: "legend" });
  const readout = make("figcaption", { class: "readout", "aria-live": "polite" });
  const figure = make("figure", { class: "chart", "data-chart": label }, drawing, legend, readout);
  figure.redraw = drawForWidth(drawing, (width) => {
    const content = read();
    drawing.replaceChildren(drawLines(width, label, x, y, content, readout));
    legend.replaceChildren(
      ...content.series.map(({ name }, at) => make("li", {}, drawSample(at), makeName(name))),
    );
    readout.textContent = "Point at the chart to read its values.";
  });
  return figure;
}

function lineStyle(at) {
  return {
    fill: "none",
    stroke: CHART_COLORS[at % CHART_COLORS.length],
    "stroke-width": 2,
    "stroke-linejoin": "round",
    "stroke-dasharray": CHART_DASHES[at % CHART_DASHES.length],
  };
}

function drawSample(at) {
  return make(
    "svg",
    { viewBox: "0 0 32 12", "aria-hidden": "true" },
    make("line", { x1: 0, x2: 32, y1: 6, y2: 6, ...lineStyle(at) }),
  );
}

function drawLines(width, label, x, y, content, readout) {
  const height = Math.round(Math.min(Math.max(0.6 * width, 210), 340));
  const frame = { left: 46, right: width - 12, top: 22, bottom: height - 40 };
  const [xMin, xMax, yMax] = [x.min ?? 0, x.max ?? 1, y.max ?? 1];
  const toX = (value) => frame.left + ((value - xMin) / (xMax - xMin || 1)) * (frame.right - frame.left);
  const toY = (value) => frame.bottom - (value / (yMax || 1)) * (frame.bottom - frame.top);
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  svg.append(...drawAxes(frame, toX, toY, x, y, [xMin, xMax, yMax]));
  if (content.diagonal) {
    const ends = { x1: toX(xMin), y1: toY(xMin), x2: toX(xMax), y2: toY(xMax) };
    svg.append(make("line", { ...ends, stroke: "#9aa1ac", "stroke-dasharray": "4 4" }));
  }
  for (const [at, { points }] of content.series.entries()) {
    const drawn = points.filter(([a, b]) => isNumber(a) && isNumber(b));
    const steps = drawn.map(([a, b], index) => `${index ? "L" : "M"}${toX(a).toFixed(1)} ${toY(b).toFixed(1)}`);
    svg.append(make("path", { class: "series", d: steps.join(""), ...lineStyle(at) }));
    if (content.dots || drawn.length === 1) {
      const color = CHART_COLORS[at % CHART_COLORS.length];
      svg.append(
        ...drawn.map(([a, b]) => make("circle", { cx: toX(a).toFixed(1), cy: toY(b).toFixed(1), r: 3.5, fill: color })),
      );
    }
  }
  svg.append(...drawMarks(frame, toX, content.marks ?? []));
  if (!content.series.some(({ points }) => points.length)) {
    const place = { x: (frame.left + frame.right) / 2, y: (frame.top + frame.bottom) / 2 };
    svg.append(make("text", { ...place, "text-anchor": "middle" }, "nothing to draw"));
  }
  const follow = (event) => showNearest(event, svg, { frame, xMin, xMax, width, x, y, content, readout });
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
  return svg;
}

function drawAxes(frame, toX, toY, x, y, [xMin, xMax, yMax]) {
  const parts = [];
  for (let step = 0; step <= 5; step += 1) {
    const [across, up] = [xMin + ((xMax - xMin) * step) / 5, (yMax * step) / 5];
    const line = { x1: frame.left, x2: frame.right, y1: toY(up), y2: toY(up), stroke: step ? "#e9ecf0" : "#8a919c" };
    parts.push(
      make("line", line),
      make("text", { x: frame.left - 7, y: toY(up) + 4, "text-anchor": "end" }, y.format(up)),
      make("text", { x: toX(across), y: frame.bottom + 17, "text-anchor": "middle" }, x.format(across)),
    );
  }
  const middle = (frame.left + frame.right) / 2;
  parts.push(
    make("text", { x: middle, y: frame.bottom + 34, "text-anchor": "middle" }, x.title),
    make("text", { x: 2, y: 11 }, y.title),
  );
  return parts;
}

/** Draw upright lines with words, each below the one before so that none covers another. */
function drawMarks(frame, toX, marks) {
  return marks.flatMap(({ x, text }, at) => {
    const place = toX(x);
    const isLate = place > (frame.left + frame.right) / 2;
    const line = { x1: place, x2: place, y1: frame.top, y2: frame.bottom, stroke: "#14171c", "stroke-dasharray": "5 3" };
    const words = { x: place + (isLate ? -5 : 5), y: frame.bottom - 8 - 15 * at, "text-anchor": isLate ? "end" : "start" };
    return [
      make("line", { class: "threshold", ...line }),
      make("text", { ...words, "font-weight": 600, stroke: "#fff", "stroke-width": 3, "paint-order": "stroke" }, text),
    ];
  });
}

/** Say the values of all lines at the pointer. */
function showNearest(event, svg, { frame, xMin, xMax, width, x, y, content, readout }) {
  const box = svg.getBoundingClientRect();
  const at = ((event.clientX - box.left) * width) / box.width;
  const share = Math.min(Math.max((at - frame.left) / (frame.right - frame.left), 0), 1);
  const wanted = xMin + share * (xMax - xMin);
  const words = content.series.flatMap(({ name, points }) => {
    const known = points.filter(([a, b]) => isNumber(a) && isNumber(b));
    if (!known.length) {
      return [];
    }
    const nearest = known.reduce((best, each) => (Math.abs(each[0] - wanted) < Math.abs(best[0] - wanted) ? each : best));
    return [`${name}: ${y.format(nearest[1], 3)} at ${x.format(nearest[0], 3)}`];
  });
  readout.textContent = words.slice(0, 4).join("; ");
}

/**
 * Draw bars with a name before and a number behind.
 *
 * @param {{name: string|Node, value: number, text: string, hint: ?string, color: ?string}[]} rows
 * @param {number} largest the value of a full bar.
 */
function makeBars(label, rows, largest = Math.max(...rows.map(({ value }) => value), 0)) {
  return make(
    "div",
    { class: "bars", role: "group", "aria-label": label, "data-chart": label },
    rows.map(({ name, value, text, hint, color }) => {
      const bar = make("i");
      bar.style.width = `${largest > 0 ? (100 * Math.max(value, 0)) / largest : 0}%`;
      if (color) {
        bar.style.background = color;
      }
      return make(
        "div",
        {},
        make("div", { class: "name" }, name),
        make("div", { class: "track" }, bar),
        make("div", { class: "value" }, text),
        hint ? make("p", { class: "hint" }, hint) : null,
      );
    }),
  );
}

/** Shade of a share from 0 to 1: blue for what is right, orange for what is wrong; the ink on it light or dark. */
function shade(share, isRight) {
  const strength = Math.sqrt(Math.min(Math.max(share, 0), 1));
  const [from, to] = isRight ? [[226, 236, 247], [8, 60, 120]] : [[253, 234, 218], [150, 50, 0]];
  const color = from.map((start, at) => Math.round(start + (to[at] - start) * strength));
  return { fill: `rgb(${color.join(",")})`, ink: strength > 0.55 ? "light" : "dark" };
}
