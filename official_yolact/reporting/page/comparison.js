/** Builds the page of a comparison. */

const NUMBER_TITLES = new Map(AP_NAMES.map(([name, title, hint]) => [name, [title, hint]]));

/** Draw a difference and its interval on a line whose middle is zero. */
function drawDifference({ difference, low, high, told_apart: isSure }, largest) {
  const [width, middle] = [170, 85];
  const toX = (value) => middle + (Math.min(Math.max(value / largest, -1), 1) * (width - 12)) / 2;
  const color = !isSure ? "#7a828e" : difference > 0 ? "#0072b2" : "#d55e00";
  const parts = [make("line", { x1: middle, x2: middle, y1: 0, y2: 18, stroke: "#aab1bc" })];
  if (isNumber(low) && isNumber(high)) {
    parts.push(make("line", { x1: toX(low), x2: toX(high), y1: 9, y2: 9, stroke: color, "stroke-width": 3 }));
  }
  parts.push(make("circle", { class: "difference", cx: toX(difference), cy: 9, r: 4.5, fill: isSure ? color : "#fff", stroke: color, "stroke-width": 2 }));
  return make("svg", { viewBox: `0 0 ${width} 18`, width, height: 18, role: "img", "aria-label": describeDifference({ difference, low, high }) }, parts);
}

function toSigned(value) {
  return isNumber(value) ? `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}` : "–";
}

function describeDifference({ difference, low, high }) {
  return isNumber(low) ? `${toSigned(difference)}, from ${toSigned(low)} to ${toSigned(high)}` : toSigned(difference);
}

/** Make a table of differences; `sortBy` as of `makeTable`. */
function makeDifferences(rows, pair, label, options) {
  const known = rows.filter(({ difference }) => isNumber(difference));
  const largest = Math.max(...known.flatMap(({ difference, low, high }) => [difference, low ?? 0, high ?? 0].map(Math.abs)), 0.001);
  const titleOf = ({ name }) => NUMBER_TITLES.get(name)?.[0] ?? name;
  const columns = [
    { title: label, value: titleOf, show: (row) => makeName(titleOf(row)), isText: true },
    { title: pair.first, value: ({ first }) => first, show: ({ first }) => toPoints(first) },
    { title: pair.second, value: ({ second }) => second, show: ({ second }) => toPoints(second) },
    { title: "Difference", value: ({ difference }) => difference + 1, show: ({ difference }) => toSigned(difference) },
    { title: "worse ← 95% interval → better", value: ({ low }) => low + 1, show: (row) => drawDifference(row, largest) },
    { title: "Verdict", value: (row) => (row.told_apart ? Math.sign(row.difference) + 2 : 2), show: (row) => (!row.told_apart ? "may be chance" : row.difference > 0 ? "better" : "worse") },
  ];
  const hidden = rows.length - known.length;
  return [
    make("div", { class: `scroll${known.length > 20 ? " tall" : ""}`, tabindex: 0, "data-chart": label }, makeTable(columns, known, { label, ...options })),
    hidden ? make("p", { class: "note" }, `${hidden} without an annotated object are left out.`) : null,
  ];
}

/** Make a card of an image: the ground truth and what both found. */
function makeComparedCard(context, pair, { id, change }, shown) {
  const [before, after] = shown.map((image) => describeImage(context, image, false));
  const picture = context.report.pictures[id];
  const [first] = shown;
  const parts = [
    ["Ground truth", before.truths.map((truth) => ({ ...truth, kind: truth.kind === "other" ? "other" : "found" })), null],
    [pair.first, before.detections, shown[0]],
    [pair.second, after.detections, shown[1]],
  ];
  const figures = parts.map(([title, objects, image]) =>
    make("figure", {}, make("figcaption", {}, makeName(title), image ? `: ${image.true} found, ${image.false} false, ${image.missed} missed` : ""),
      make("div", { class: "photo" }, makePhoto(picture, objects, `${title} of ${first.file_name}`, () => true))),
  );
  const words = `the mistakes cost ${Math.abs(change).toFixed(1)} ${change < 0 ? "less" : "more"}`;
  return make("article", { class: "card" }, make("h3", {}, makeName(first.file_name), make("small", {}, words)), make("div", { class: "pair triple" }, figures));
}

function makePair(context, pair, at, images) {
  const kinds = Object.keys(pair.kinds).toSorted((a) => (a === context.report.comparison.main ? -1 : 1));
  const gallery = (name, title, means) => {
    const cards = pair[name].filter(({ id }) => images[id]).map((image) => makeComparedCard(context, pair, image, images[image.id]));
    return cards.length ? makeSection(`${name}-${at}`, title, means, makePictureLegend(), make("div", { class: "cards whole" }, cards)) : null;
  };
  return [
    ...kinds.map((kind) =>
      makeSection(`${kind}-${at}`, `${KIND_NAMES[kind]}: ${pair.second} against ${pair.first}`,
        "A filled dot with a bar on one side of the line is a real difference; where the bar crosses the line, the two cannot be told apart on these images: evaluate on more of them before you choose.",
        makeDifferences(pair.kinds[kind].numbers, pair, "COCO"),
        make("h3", {}, "Classes"),
        makeDifferences(pair.kinds[kind].by_class, pair, "Class", { sortBy: 3 })),
    ),
    gallery("better", `Where ${pair.second} is better`, "Look for what these images share: that is what the change has taught the model."),
    gallery("worse", `Where ${pair.second} is worse`, "Look here before you replace the old model: these mistakes are new."),
  ].filter(Boolean);
}

function build() {
  const report = JSON.parse(document.getElementById("report").textContent);
  const context = new Context({ ...report, main: report.comparison.main });
  const { pairs, images, annotations, replicates } = report.comparison;
  const sections = pairs.flatMap((pair, at) => makePair(context, pair, at, report.shown[at]));
  document.getElementById("page").replaceWith(
    make("header", {}, make("h1", {}, makeName(report.title)), make("p", { class: "subtitle" }, `${countOf(images, "image")} of `, makeName(annotations)),
      make("ol", { class: "advice" }, pairs.map(({ verdict }) => make("li", {}, makeName(verdict))))),
    make("main", { id: "content" }, sections),
    make("footer", {}, make("p", {}, `Points of AP. The intervals are of ${countOf(replicates, "bootstrap sample")} of the images, the same ones for all. This file opens without a network and asks for nothing.`)),
  );
}

build();
