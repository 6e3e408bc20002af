/** Builds the page from the report that it holds. */

function listSections(context) {
  const { report } = context;
  const { images } = report;
  const threshold = `Drawn are detections with a score from ${toFixed(images.threshold)} on.`;
  return [
    ["numbers", "AP", () => makeNumbers(context)],
    ["errors", "Errors", () => makeErrors(context)],
    ["classes", "Classes", () => makeClasses(context)],
    ["sizes", "Sizes", () => makeSizes(context)],
    ["curves", "Thresholds", () => makeCurvesSection(context)],
    ["confusion", "Confusions", () => makeConfusion(context)],
    report.mask_quality ? ["masks", "Masks", () => makeQuality(context)] : null,
    ["worst", "Worst images", () => makeGallery(context, "worst", "The worst images", `These ${countOf(images.worst.length, "image")} cost most: look for what they share, such as light, distance or crowding, and collect more like them. ${threshold}`, images.worst)],
    ["labels", "Label errors", () => makeGallery(context, "labels", "Is this one missing in your data?", "Confident detections without an annotation: where the object is really there, add it to the annotations, for a missing one counts as a mistake of the model and is learnt as background.", images.label_errors, { wantsCandidates: true })],
    ["best", "Best images", () => makeGallery(context, "best", "The best images", `What the model does well: compare with the worst to see what differs. ${threshold}`, images.best, { hasFilter: false })],
    report.speed ? ["speed", "Speed", () => makeSpeed(context)] : null,
    ["evaluated", "What was evaluated", () => makeEvaluated(context)],
  ].filter(Boolean);
}

function build() {
  const report = JSON.parse(document.getElementById("report").textContent);
  const context = new Context(report);
  const sections = listSections(context);
  const kinds = report.kinds.toSorted((a) => (a === report.main ? -1 : 1)).map((kind) => [kind, KIND_NAMES[kind]]);
  const choice = kinds.length > 1 ? makeChoice("Measured by", kinds, report.main, (kind) => context.choose(kind)) : null;
  const { counts } = report.evaluated;
  const subtitle = `${countOf(counts.images, "image")}, ${countOf(counts.objects, "object")}, ${countOf(counts.classes, "class", "classes")}; ${report.created.slice(0, 10)}`;
  const links = sections.map(([id, title]) => make("a", { href: `#${id}` }, title));
  const main = make("main", { id: "content" }, sections.map(([, , draw]) => draw()));
  document.getElementById("page").replaceWith(
    make("header", {}, make("h1", {}, makeName(report.title)), make("p", { class: "subtitle" }, subtitle), makeTiles(context), listAdvice(context)),
    make("div", { class: "bar" }, make("div", {}, make("nav", { "aria-label": "Sections" }, links), choice)),
    main,
    make("footer", {}, make("p", {}, "This file holds everything that it shows: it opens without a network and asks for nothing.")),
  );
}

build();
