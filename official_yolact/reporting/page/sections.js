/** The sections of a report: each a title, a sentence that says what it means, and charts or tables. */

const AP_NAMES = [
  ["AP", "AP", "mean over IoU 0.50 to 0.95: the number that papers state"],
  ["AP50", "AP at IoU 0.50", "an object counts as found when half of the area agrees"],
  ["AP75", "AP at IoU 0.75", "the same with a strict overlap"],
  ["APs", "AP, small objects", "area below 32 × 32 pixels"],
  ["APm", "AP, medium objects", "area from 32 × 32 to 96 × 96 pixels"],
  ["APl", "AP, large objects", "area from 96 × 96 pixels on"],
  ["AR1", "AR, 1 detection", "recall with the best detection of each photo and class"],
  ["AR10", "AR, 10 detections", "recall with the ten best"],
  ["AR100", "AR, 100 detections", "recall with the hundred best: what no threshold can exceed"],
  ["ARs", "AR, small objects", "recall of small objects with 100 detections"],
  ["ARm", "AR, medium objects", "recall of medium objects with 100 detections"],
  ["ARl", "AR, large objects", "recall of large objects with 100 detections"],
];

const ERROR_WORDS = {
  class: ["Wrong class", "wrong class", "The place is right and the class is not. Read the confusion matrix; add photos of the classes that it names, or merge classes that nobody can tell apart."],
  localisation: ["Badly placed", "badly placed", "The class is right and the overlap is too small. Check how tightly the objects are annotated; a larger input size or a longer training helps."],
  both: ["Wrong class and badly placed", "wrong class, badly placed", "Something is there, but neither class nor place is right. These are usually small or hidden objects."],
  duplicate: ["Found twice", "found twice", "A second detection of an object that is found already. Suppress more: lower the IoU threshold of the suppression."],
  background: ["Nothing there", "nothing here", "A detection where nothing is annotated. See the possible label errors first; if the annotations are right, add photos without objects that look like these."],
  missed: ["Missed", "missed", "No detection fits the object. Look whether the missed ones are small, hidden or rare: a larger input size or more such photos help."],
  leak: ["Mask leaks into a neighbour", "mask leaks into a neighbour", "Part of the mask lies on another object. Photos with objects that touch help."],
  cut: ["Mask is cut by its box", "mask is cut", "The box is too small, so that it cuts the mask. Better boxes, or a wider crop around them, help."],
  coarse: ["Mask is coarse", "mask is coarse", "The box is right and the mask is not. Compare with the ceiling of the prototype grid; a larger input size makes the grid finer."],
};

/** What the sections share: the report, and the kind (masks or boxes) that is shown. */
class Context {
  constructor(report) {
    this.report = report;
    this.kind = report.main;
    this.names = new Map(report.classes.map(({ id, name }) => [id, name]));
    this.names.set(-1, "background");
    this.watchers = [];
  }

  get shown() {
    return this.report.measurements[this.kind];
  }

  nameOf(id) {
    return this.names.get(id) ?? `class ${id}`;
  }

  /** Call a function now and whenever the kind changes. */
  watch(draw) {
    this.watchers.push(draw);
    draw();
  }

  choose(kind) {
    this.kind = kind;
    this.watchers.forEach((draw) => draw());
  }
}

const KIND_NAMES = { mask: "Masks", box: "Boxes" };

function makeSection(id, title, means, ...content) {
  return make("section", { id, "aria-labelledby": `${id}-title` }, make("h2", { id: `${id}-title` }, title), make("p", { class: "means" }, means), ...content);
}

/** An element whose content is made anew whenever the kind changes. */
function makeChanging(context, fill, tag = "div", attributes = {}) {
  const element = make(tag, attributes);
  context.watch(() => element.replaceChildren(...[fill(context.shown, context.kind)].flat().filter(Boolean)));
  return element;
}

function showInterval(interval) {
  if (!isNumber(interval?.value)) {
    return "–";
  }
  const { value, low, high } = interval;
  const range = isNumber(low) && isNumber(high) ? make("span", { class: "interval" }, ` ${toPoints(low)}–${toPoints(high)}`) : null;
  return make("span", {}, toPoints(value), range);
}

/** Half the width of an interval, in points of AP. */
function halfWidth(interval) {
  return isNumber(interval?.low) && isNumber(interval?.high) ? (100 * (interval.high - interval.low)) / 2 : null;
}

function showMeter(value) {
  if (!isNumber(value)) {
    return "–";
  }
  const bar = make("i");
  bar.style.width = `${100 * Math.min(Math.max(value, 0), 1)}%`;
  return make("span", {}, make("span", { class: "meter", "aria-hidden": "true" }, bar), make("span", { class: "number" }, toPoints(value)));
}

function makeTiles(context) {
  const { report } = context;
  const tile = (name, value, hint) =>
    make("div", { class: "tile" }, make("div", { class: "name" }, name), make("div", { class: "value" }, value), make("div", { class: "hint" }, hint));
  const tiles = report.kinds.toSorted((a) => (a === report.main ? -1 : 1)).map((kind) => {
    const interval = report.measurements[kind].numbers.AP;
    const range = isNumber(interval.low) ? `${toPoints(interval.low)} to ${toPoints(interval.high)} with 95% confidence` : "no interval";
    return tile(`${kind === "mask" ? "Mask" : "Box"} AP`, toPoints(interval.value), range);
  });
  const best = report.measurements[report.main].thresholds.recommended;
  if (best) {
    tiles.push(tile("Score threshold with the best F1", toThreshold(best.threshold), `precision ${toPercent(best.precision)}, recall ${toPercent(best.recall)}`));
  }
  const largest = findLargestError(report);
  if (largest) {
    tiles.push(tile("Most AP50 is lost by", ERROR_WORDS[largest.kind][0].toLowerCase(), `${toPoints(largest.points / 100)} points of AP50`));
  }
  return make("div", { class: "tiles" }, tiles);
}

function findLargestError(report) {
  const rows = report.measurements[report.main].errors.rows.filter(({ points }) => isNumber(points) && points > 0);
  return rows.toSorted((a, b) => b.points - a.points)[0] ?? null;
}

/** What to do first, derived from the numbers of the report. */
function listAdvice({ report }) {
  const shown = report.measurements[report.main];
  const half = halfWidth(shown.numbers.AP);
  const { images, objects } = report.evaluated.counts;
  const advice = [];
  if (half !== null) {
    advice.push(
      `${countOf(images, "image")} and ${countOf(objects, "object")} fix the ${report.main} AP to about ±${half.toFixed(1)} points. ` +
        (half > 3 || images < 50 ? "A smaller difference between two models is noise: evaluate on more images before you choose." : "Differences below that are noise."),
    );
  }
  const largest = findLargestError(report);
  if (largest) {
    advice.push(`Most AP50 (${toPoints(largest.points / 100)} points) is lost by “${ERROR_WORDS[largest.kind][0].toLowerCase()}”. ${ERROR_WORDS[largest.kind][2]}`);
  }
  const limit = report.main === "mask" ? adviseOnCeiling(report.ceiling, shown.numbers.AP.value) : null;
  if (limit) {
    advice.push(limit);
  }
  const best = shown.thresholds.recommended;
  if (best) {
    advice.push(make("span", {}, "To use the model, start with ", make("code", {}, `--score-threshold ${toThreshold(best.threshold)}`), `: F1 is best there (${toFixed(best.f1)}).`));
  }
  if (report.images.label_errors.length) {
    const count = report.images.label_errors.reduce((sum, { detections }) => sum + detections.filter((each) => each.is_candidate).length, 0);
    advice.push(make("span", {}, `${countOf(count, "confident detection")} ${count === 1 ? "has" : "have"} no annotation: `, make("a", { href: "#labels" }, "look whether an annotation is missing"), ". A missing annotation lowers the AP and teaches the model to overlook such objects."));
  }
  const few = shown.by_class.filter(({ objects: number }) => number > 0 && number < 20);
  if (few.length) {
    advice.push(`${countOf(few.length, "class has", "classes have")} fewer than 20 objects in this set: their AP is mostly chance.`);
  }
  return make("ol", { class: "advice" }, advice.map((each) => make("li", {}, each)));
}

/** The ceiling of the masks with which the model was trained, else the first; none without a grid. */
function findTrained(ceilings) {
  return [ceilings.find(({ trained }) => trained) ?? ceilings[0]].filter(Boolean);
}

/** Say what the grid costs, where that is much. */
function adviseOnCeiling(ceilings, value) {
  const [trained] = findTrained(ceilings ?? []);
  if (!isNumber(trained?.numbers.AP) || !isNumber(value)) {
    return null;
  }
  const { AP } = trained.numbers;
  const better = ceilings.find(({ numbers }) => numbers.AP > AP + 0.05);
  if (better?.target === "coverage") {
    return make("span", {}, `The prototype grid limits the mask AP to ${toPoints(AP)}, for each cell of the grid is learnt as either inside or outside. Train with `, make("code", {}, "task.train_data.parser.mask_target=coverage"), `, and the limit is ${toPoints(better.numbers.AP)}.`);
  }
  return AP - value < 0.1 || AP < 0.85 ? `The prototype grid limits the mask AP to ${toPoints(AP)}: a larger input size makes the grid finer.` : null;
}

function makeNumbers(context) {
  const { report } = context;
  const kinds = report.kinds.toSorted((a) => (a === report.main ? -1 : 1));
  const ceilings = report.ceiling ?? [];
  const columns = [
    { title: "", value: ([, title]) => title, isText: true },
    ...kinds.map((kind) => ({ title: KIND_NAMES[kind], value: () => 0, show: ([name]) => showInterval(report.measurements[kind].numbers[name]) })),
    ...ceilings.map((ceiling) => ({
      title: ceilings.length > 1 ? `Ceiling, ${ceiling.target}${ceiling.trained ? " (this model)" : ""}` : "Ceiling of masks",
      value: () => 0,
      show: ([name]) => toPoints(ceiling.numbers[name]),
    })),
    { title: "What it is", value: ([, , hint]) => hint, isText: true, isExtra: true },
  ];
  const bootstrap = report.measurements[report.main].bootstrap;
  const notes = [
    `Points of AP, 0 to 100. The smaller numbers are the ${toPercent(bootstrap.confidence)} interval of ${countOf(bootstrap.replicates, "bootstrap sample")} of ${countOf(bootstrap.images, "image")}; the numbers themselves are those of pycocotools.`,
    ...findTrained(ceilings).map(
      ({ grid, input, mean_iou: iou }) =>
        `The ceiling is the AP of perfect detections whose masks are drawn on the model's prototype grid of ${grid.join(" × ")} cells for an input of ${input.join(" × ")} pixels (mean IoU ${toFixed(iou)}): no longer training lifts the masks above it, a larger input does.`,
    ),
  ];
  return makeSection(
    "numbers",
    "COCO average precision",
    "AP says how well objects are found and outlined over all score thresholds; compare it with other models on this same set, and take a difference inside the interval as noise.",
    make("div", { class: "scroll" }, makeTable(columns, AP_NAMES, { label: "COCO numbers" })),
    notes.map((note) => make("p", { class: "note" }, note)),
  );
}

function makeClasses(context) {
  const empty = context.report.evaluated.counts.classes_without_objects;
  const search = make("input", { type: "search", placeholder: "part of a name", "aria-label": "Find a class", spellcheck: "false" });
  const columns = [
    { title: "Class", value: ({ id }) => context.nameOf(id), show: ({ id }) => makeName(context.nameOf(id)), isText: true },
    { title: "Objects", value: ({ objects }) => objects, show: ({ objects }) => toCount(objects) },
    { title: "AP", value: ({ AP }) => AP.value, show: ({ AP }) => showMeter(AP.value) },
    { title: "95% interval", value: ({ AP }) => AP.low, show: ({ AP }) => (isNumber(AP.low) ? make("span", { class: "interval" }, `${toPoints(AP.low)}–${toPoints(AP.high)}`) : "–") },
    { title: "AP50", value: ({ AP50 }) => AP50, show: ({ AP50 }) => toPoints(AP50) },
    { title: "AP75", value: ({ AP75 }) => AP75, show: ({ AP75 }) => toPoints(AP75) },
    { title: "Recall", hint: "with all detections, IoU 0.5", value: ({ recall }) => recall, show: ({ recall }) => toPercent(recall) },
    { title: "Threshold", hint: "score threshold with the best F1", value: ({ threshold }) => threshold, show: ({ threshold }) => toThreshold(threshold) },
    { title: "F1", hint: "at this threshold", value: ({ f1 }) => f1, show: ({ f1 }) => toFixed(f1) },
    { title: "Precision", hint: "at this threshold", value: (row) => row.precision_at, show: (row) => toPercent(row.precision_at) },
    { title: "Recall then", hint: "at this threshold", value: (row) => row.recall_at, show: (row) => toPercent(row.recall_at) },
  ];
  const table = makeChanging(
    context,
    (shown) => {
      const made = makeTable(columns, shown.by_class, { label: "Classes", sortBy: 2 });
      const apply = () => {
        const wanted = search.value.trim().toLowerCase();
        made.filter(({ id }) => context.nameOf(id).toLowerCase().includes(wanted));
      };
      search.oninput = apply;
      apply();
      return made;
    },
    "div",
    { class: "scroll tall", tabindex: 0 },
  );
  return makeSection(
    "classes",
    "Classes",
    "The weakest classes come first: those with many objects and a low AP are where more or better photos help most; those with few objects say little.",
    make("div", { class: "controls" }, make("label", { class: "field" }, "Find a class", search)),
    table,
    empty ? make("p", { class: "note" }, `${countOf(empty, "class has", "classes have")} no object in this set and no AP.`) : null,
  );
}

function makeSizes(context) {
  const columns = (title, recallTitle) => [
    { title, value: ({ name }) => name, isText: true },
    { title: "Images", value: ({ images }) => images, show: ({ images }) => toCount(images) },
    { title: "Objects", value: ({ objects }) => objects, show: ({ objects }) => toCount(objects) },
    { title: "AP", value: ({ AP }) => AP.value, show: ({ AP }) => showInterval(AP) },
    { title: "AP50", value: ({ AP50 }) => AP50, show: ({ AP50 }) => toPoints(AP50) },
    { title: recallTitle, value: ({ recall }) => recall, show: ({ recall }) => toPercent(recall) },
  ];
  return makeSection(
    "sizes",
    "Sizes and crowding",
    "A row that is far below the others shows what the model cannot see: for small objects raise the input size or use tiles, for full photos add more of them to the training.",
    makeChanging(
      context,
      (shown) =>
        [
          ["Size of the object", shown.by_size, "AR"],
          ["Size of the photo", shown.by_image_size, "Recall"],
          ["Objects in the photo", shown.by_object_count, "Recall"],
        ].map(([title, rows, recall]) =>
          make("div", { class: "scroll" }, makeTable(columns(title, recall), rows, { label: title })),
        ),
      "div",
      { class: "columns" },
    ),
  );
}

function makeCurves(context) {
  let chosen = "mean";
  const curveOf = (curves, values) => curves.recalls.map((recall, at) => [recall, values[at]]).filter(([, value]) => isNumber(value) && value >= 0);
  const chart = makeLineChart({
    label: "Precision over recall",
    x: { title: "recall: share of the objects that are found", format: (value, digits = 1) => value.toFixed(Math.min(digits, 2)) },
    y: { title: "precision: share of the detections that are right", format: (value, digits = 1) => value.toFixed(Math.min(digits, 2)) },
    read: () => {
      const { curves } = context.shown;
      const own = curves.classes.find(({ id }) => String(id) === chosen);
      const all = { name: "mean of all classes", points: curveOf(curves, curves.mean) };
      return { series: own ? [{ name: context.nameOf(own.id), points: curveOf(curves, own.precision) }, all] : [all] };
    },
  });
  const names = context.report.measurements[context.report.main].curves.classes.map(({ id }) => [String(id), context.nameOf(id)]);
  names.sort((a, b) => a[1].localeCompare(b[1]));
  const select = makeSelect("Class", [["mean", "all classes"], ...names], (value) => {
    chosen = value;
    chart.redraw();
  });
  context.watch(() => chart.redraw());
  return make("div", {}, make("h3", {}, "Precision over recall"), make("p", { class: "note" }, `At IoU ${toFixed(context.shown.curves.iou)}: the further up and to the right, the better. A curve that drops early has confident mistakes, one that ends early has missed objects.`), make("div", { class: "controls" }, select), chart);
}

function makeThreshold(context) {
  const chart = makeLineChart({
    label: "F1, precision and recall over the score threshold",
    x: { title: "score threshold", format: (value, digits = 1) => value.toFixed(Math.min(digits, 2)) },
    y: { title: "share", format: (value, digits = 1) => value.toFixed(Math.min(digits, 2)) },
    read: () => {
      const { points, recommended } = context.shown.thresholds;
      const series = ["f1", "precision", "recall"].map((name) => ({
        name: name === "f1" ? "F1" : name,
        points: points.map((point) => [point.threshold, point[name]]),
      }));
      return { series, marks: recommended ? [{ x: recommended.threshold, text: `best F1 at ${toThreshold(recommended.threshold)}` }] : [] };
    },
  });
  context.watch(() => chart.redraw());
  return make("div", {}, make("h3", {}, "Which score threshold to use"), make("p", { class: "note" }, "F1 weighs precision and recall alike. Take a higher threshold where a false alarm costs more than a missed object, a lower one where it is the other way round."), chart);
}

/** Tables of the thresholds for a wished precision and for a wished recall. */
function makeWishes(context) {
  const tables = ({ wishes }) =>
    ["precision", "recall"].map((wanted) => {
      const rows = wishes.filter(({ measure }) => measure === wanted);
      const columns = [
        { title: `For a ${wanted} of`, value: ({ wished }) => toPercent(wished), isText: true },
        { title: "threshold", value: () => 0, show: ({ reached }) => (reached ? toThreshold(reached.threshold) : "not reached") },
        { title: "precision", value: () => 0, show: ({ reached }) => toPercent(reached?.precision) },
        { title: "recall", value: () => 0, show: ({ reached }) => toPercent(reached?.recall) },
      ];
      return rows.length ? make("div", { class: "scroll" }, makeTable(columns, rows, { label: `Thresholds for a wished ${wanted}` })) : null;
    });
  return makeChanging(context, ({ thresholds }) => tables(thresholds), "div", { class: "columns wishes" });
}

function makeCalibration(context) {
  const chart = makeLineChart({
    label: "Calibration of the scores",
    x: { title: "score of the detections", format: (value, digits = 1) => value.toFixed(Math.min(digits, 2)) },
    y: { title: "share of them that is right", format: (value, digits = 1) => value.toFixed(Math.min(digits, 2)) },
    read: () => ({
      series: [{ name: "this model", points: context.shown.calibration.bins.map((bin) => [bin.mean_score, bin.precision]) }],
      diagonal: true,
      dots: true,
    }),
  });
  context.watch(() => chart.redraw());
  const words = makeChanging(context, ({ calibration }) => `Expected calibration error: ${toFixed(calibration.error, 3)}. ${describeCalibration(calibration)}`, "p", { class: "note" });
  return make("div", {}, make("h3", {}, "Are the scores honest?"), make("p", { class: "note" }, "On the dashed line a score of 0.8 means that 8 of 10 such detections are right. Below it the model is too sure of itself: read scores as an order, not as probabilities."), chart, words);
}

function describeCalibration({ bins }) {
  const known = bins.filter(({ precision, mean_score: score }) => isNumber(precision) && isNumber(score));
  const sum = known.reduce((total, { detections, precision, mean_score: score }) => total + detections * (score - precision), 0);
  const number = known.reduce((total, { detections }) => total + detections, 0);
  const gap = number ? sum / number : 0;
  if (Math.abs(gap) < 0.03) {
    return "On average the scores are as high as they should be.";
  }
  return `On average the scores are ${toFixed(Math.abs(gap))} too ${gap > 0 ? "high" : "low"}.`;
}

function makeCurvesSection(context) {
  return makeSection(
    "curves",
    "Curves and thresholds",
    "The score threshold decides how many false alarms buy how many found objects: choose it here, by what a mistake costs you.",
    make("div", { class: "columns three" }, makeThreshold(context), makeCurves(context), makeCalibration(context)),
    makeWishes(context),
  );
}

const MOST_CLASSES = 120;

function makeConfusion(context) {
  let [isShare, at] = [false, 0];
  const holder = make("div");
  const list = make("div", { class: "scroll" });
  const draw = () => {
    const matrix = context.shown.confusion[Math.min(at, context.shown.confusion.length - 1)];
    holder.replaceChildren(...drawConfusion(context, matrix, isShare));
    holder.className = holder.querySelector(".large") ? "wide" : "";
    list.replaceChildren(drawConfusions(context, matrix));
  };
  const choices = makeChanging(context, (shown) => {
    const options = shown.confusion.map(({ threshold }, index) => [String(index), index === shown.confusion.length - 1 ? "all detections" : `scores from ${toThreshold(threshold)}`]);
    at = Math.min(at, options.length - 1);
    return makeChoice("Detections", options, String(at), (value) => {
      at = Number(value);
      draw();
    });
  });
  context.watch(draw);
  const counts = makeChoice("Numbers", [["count", "counts"], ["share", "shares of the row"]], "count", (value) => {
    isShare = value === "share";
    draw();
  });
  return makeSection(
    "confusion",
    "What is taken for what",
    "A dark cell off the diagonal is a pair of classes that the model mixes up: look at photos of both, and whether the annotations themselves agree. The background row holds detections of nothing, the background column missed objects.",
    make("div", { class: "controls" }, choices, counts),
    make("div", { class: "columns confusions" }, holder, make("div", {}, make("h3", {}, "The most frequent confusions"), list)),
  );
}

function drawConfusion(context, { cells, iou }, isShare) {
  const wrong = new Map();
  for (const [truth, found, count] of cells) {
    for (const id of [truth, found]) {
      wrong.set(id, (wrong.get(id) ?? 0) + (truth === found ? 1e-6 : 1) * count);
    }
  }
  const known = context.report.classes.map(({ id }) => id).filter((id) => wrong.has(id));
  const kept = new Set(known.toSorted((a, b) => wrong.get(b) - wrong.get(a)).slice(0, MOST_CLASSES));
  const ids = [...known.filter((id) => kept.has(id)), -1];
  const place = new Map(ids.map((id, index) => [id, index]));
  const counts = ids.map(() => ids.map(() => 0));
  const sums = new Map();
  for (const [truth, found, count] of cells) {
    sums.set(truth, (sums.get(truth) ?? 0) + count);
    if (place.has(truth) && place.has(found)) {
      counts[place.get(truth)][place.get(found)] = count;
    }
  }
  const names = ids.map((id) => context.nameOf(id));
  const describe = (row, column) => describeCell(context, ids[row], ids[column], counts[row][column], sums.get(ids[row]));
  const figure = makeMatrix({ label: "Confusion matrix", rows: names, columns: names, counts, isShare, describe });
  const few = known.length > kept.size ? ` Of ${known.length} classes, the ${kept.size} with most confusions are shown.` : "";
  return [make("p", { class: "note" }, `Rows are the annotated classes, columns the predicted ones, at IoU ${toFixed(iou)}.${few}`), figure];
}

function describeCell(context, truth, found, count, sum) {
  const share = toPercent(count / sum, 1);
  const [a, b] = [context.nameOf(truth), context.nameOf(found)];
  if (truth === -1) {
    return `${toCount(count)} detections of ${b} lie on background: ${share} of all on background.`;
  }
  if (found === -1) {
    return `${toCount(count)} objects of ${a} were missed: ${share} of them.`;
  }
  return truth === found ? `${toCount(count)} objects of ${a} were found: ${share} of them.` : `${toCount(count)} objects of ${a} were taken for ${b}: ${share} of them.`;
}

function drawConfusions(context, { cells }) {
  const sums = new Map();
  cells.forEach(([truth, , count]) => sums.set(truth, (sums.get(truth) ?? 0) + count));
  const rows = cells
    .filter(([truth, found]) => truth !== found && truth !== -1 && found !== -1)
    .toSorted((a, b) => b[2] - a[2])
    .slice(0, 15);
  if (!rows.length) {
    return make("p", { class: "note" }, "No object was taken for another class.");
  }
  const columns = [
    { title: "Annotated", value: ([truth]) => context.nameOf(truth), show: ([truth]) => makeName(context.nameOf(truth)), isText: true },
    { title: "Predicted", value: ([, found]) => context.nameOf(found), show: ([, found]) => makeName(context.nameOf(found)), isText: true },
    { title: "Objects", value: ([, , count]) => count, show: ([, , count]) => toCount(count) },
    { title: "Share", value: ([truth, , count]) => count / sums.get(truth), show: ([truth, , count]) => toPercent(count / sums.get(truth), 1) },
  ];
  return makeTable(columns, rows, { label: "Confusions", sortBy: 2, isDescending: true });
}

function makeErrors(context) {
  const bars = ({ rows }, label) =>
    makeBars(
      label,
      rows.map(({ kind, count, count_at: now, points }) => ({
        name: ERROR_WORDS[kind][0],
        value: isNumber(points) ? points : 0,
        text: `${isNumber(points) ? points.toFixed(1) : "–"} points`,
        hint: `${toCount(count)} in all, ${toCount(now)} from the recommended threshold on. ${ERROR_WORDS[kind][2]}`,
        color: kind === "missed" ? "#b08f00" : "#d55e00",
      })),
    );
  return makeSection(
    "errors",
    "Where the AP is lost",
    "The longest bar is worth working on first: it says how many points of AP would be gained if only these mistakes were mended (the definition of TIDE; the bars do not add up, for one mistake hides another).",
    makeChanging(
      context,
      (shown, kind) => [
        make("div", {}, make("h3", {}, `${KIND_NAMES[kind]}: points of ${shown.errors.of}, now ${toPoints(shown.errors.value)}`), bars(shown.errors, "Points lost by kind of error"),
          make("p", { class: "note" }, `Without any wrong detection: +${toFixed(shown.errors.false_positive, 1)} points. Without any missed object: +${toFixed(shown.errors.false_negative, 1)} points.`)),
        shown.mask_errors ? make("div", {}, make("h3", {}, `Right object, poor mask: points of ${shown.mask_errors.of}, now ${toPoints(shown.mask_errors.value)}`), bars(shown.mask_errors, "Points lost by poor masks")) : null,
      ],
      "div",
      { class: "columns" },
    ),
  );
}

function makeQuality({ report }) {
  const { rows, boundary } = report.mask_quality;
  const columns = [
    { title: "Objects", value: ({ name }) => name, isText: true },
    { title: "Masks", value: ({ masks }) => masks, show: ({ masks }) => toCount(masks) },
    { title: "Mean IoU", value: (row) => row.mean_iou, show: (row) => showMeter(row.mean_iou) },
    { title: "Mean boundary IoU", value: (row) => row.mean_boundary_iou, show: (row) => showMeter(row.mean_boundary_iou) },
  ];
  return makeSection(
    "masks",
    "How good the masks are",
    "Measured on objects that were found, whatever else was missed: a low IoU means wrong shapes, a low boundary IoU beside a good IoU means blurred edges, which a larger input or a finer prototype grid mends.",
    make("div", { class: "scroll" }, makeTable(columns, rows, { label: "Mask quality", className: "narrow" })),
    make("p", { class: "note" }, `In hundredths. The boundary is a band of ${toPercent(boundary, 1)} of the photo's diagonal along the edge.`),
  );
}

const PART_WORDS = { decode: "read and decode", network: "network", suppression: "suppression", detect: "network and suppression", masks: "masks", encode: "encode the results", total: "all together" };

function makeSpeed({ report: { speed } }) {
  const largest = Math.max(...speed.rows.flatMap(({ parts }) => Object.values(parts).map(({ median }) => median)), 0);
  return makeSection(
    "speed",
    "Speed on this machine",
    "Milliseconds of one photo, the median and behind it the 95th percentile: shorten the longest bar first, and plan with the 95th percentile where every photo must be in time.",
    make("p", { class: "note" }, `${speed.device}; ${speed.runtime}, ${speed.precision}; a photo of ${speed.photo[1]} × ${speed.photo[0]} pixels; ${countOf(speed.rounds, "round")}.`),
    make("div", { class: "columns" }, speed.rows.map(({ batch, parts }) =>
      make("div", {}, make("h3", {}, `${countOf(batch, "photo")} at once`),
        makeBars(`Milliseconds with ${batch} at once`, Object.entries(parts).map(([name, { median, p95 }]) => ({
          name: PART_WORDS[name] ?? name,
          value: median,
          text: `${median.toFixed(1)} ms (${p95.toFixed(1)})`,
          color: name === "total" ? "#14171c" : null,
        })), largest),
        parts.total ? make("p", { class: "note" }, `${(1000 / parts.total.median).toFixed(1)} photos a second.`) : null))),
  );
}

function makeEvaluated({ report }) {
  const { model, detections, annotations, images, counts, skipped, notes } = report.evaluated;
  const file = ({ path, sha256, bytes }) => [makeName(path), ` (${toCount(bytes)} bytes, sha256 `, make("code", {}, sha256), ")"];
  const facts = [
    model ? ["Model", makeName(model.path)] : null,
    model?.checkpoint ? ["Checkpoint", makeName(model.checkpoint)] : null,
    isNumber(model?.step) ? ["Training step", toCount(model.step)] : null,
    model?.runtime ? ["Runtime", [...new Set(model.runtime.split(", ").concat(model.precision ?? []))].join(", ")] : null,
    model && Object.keys(model.options).length ? ["Options of detection", makeName(JSON.stringify(model.options))] : null,
    detections ? ["Results file", file(detections)] : null,
    ["Annotations", file(annotations)],
    images ? ["Folder of the images", makeName(images)] : null,
    ["Images", `${toCount(counts.images)}, of which ${toCount(counts.images_without_objects)} without an object`],
    ["Objects", `${toCount(counts.objects)}, and ${countOf(counts.crowds, "crowd")}`],
    ["Classes", `${toCount(counts.classes)}, of which ${toCount(counts.classes_without_objects)} without an object`],
    ["Detections", toCount(counts.detections)],
    ["Made", `${report.created} by ${report.program.name} ${report.program.version}`],
  ];
  const columns = [
    { title: "What", value: ({ what }) => what, isText: true },
    { title: "Why", value: ({ why }) => why, isText: true },
    { title: "Count", value: ({ count }) => count, show: ({ count }) => toCount(count) },
    { title: "First", value: ({ names }) => names.join(", "), show: ({ names }) => makeName(names.join(", ")), isText: true },
  ];
  return makeSection(
    "evaluated",
    "What was evaluated",
    "Compare two reports only where the annotations have the same sha256 and nothing else was skipped.",
    make("dl", { class: "facts" }, facts.filter(Boolean).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
    skipped.length ? [make("h3", {}, "Left out"), make("div", { class: "scroll" }, makeTable(columns, skipped, { label: "Left out" }))] : make("p", { class: "note" }, "Nothing was left out."),
    notes.length ? make("ul", { class: "note" }, notes.map((note) => make("li", {}, note))) : null,
    model?.config ? make("details", {}, make("summary", {}, "Configuration of the training run"), make("pre", { class: "scroll note" }, JSON.stringify(model.config, null, 1))) : null,
    model?.weights ? make("details", {}, make("summary", {}, "Weights"), make("pre", { class: "scroll note" }, JSON.stringify(model.weights, null, 1))) : null,
  );
}
