/** Lists of photos with what went wrong, filtered by class and by kind of error. */

/** Describe what is drawn of an image: objects on the left, detections on the right, and a list of errors. */
function describeImage(context, image, wantsCandidates) {
  const classOf = new Map(image.objects.map((object) => [object.id, object.category_id]));
  const truths = image.objects.map((object) => ({
    ...object,
    kind: { found: "found", missed: "missed" }[object.outcome] ?? "other",
    error: object.outcome === "missed" && !wantsCandidates ? "missed" : null,
    classes: [object.category_id],
    label: context.nameOf(object.category_id),
    short: context.nameOf(object.category_id),
    words: object.reason,
  }));
  const detections = image.detections.map((detection) => {
    const name = context.nameOf(detection.category_id);
    const owner = classOf.get(detection.object);
    const error = wantsCandidates ? (detection.is_candidate ? "background" : null) : detection.kind;
    const wrong = error === "class" && owner !== undefined ? `is ${context.nameOf(owner)}` : ERROR_WORDS[error]?.[1];
    return {
      ...detection,
      kind: { true: "found", false: "false" }[detection.outcome] ?? "other",
      error,
      classes: [detection.category_id, ...(owner === undefined ? [] : [owner])],
      short: name,
      label: `${name} ${toPercent(detection.score)}${error ? `: ${wantsCandidates ? "not annotated?" : wrong}` : ""}`,
      words: `${detection.reason} (score ${toPercent(detection.score)})`,
    };
  });
  return { truths, detections, errors: [...detections, ...truths].filter(({ error }) => error) };
}

/**
 * Make a card of an image.
 *
 * @returns {HTMLElement} whose `show` takes the class and the kind of error to show, "" for all, and says
 *   whether the image has such an error.
 */
function makeCard(context, image, wantsCandidates) {
  const described = describeImage(context, image, wantsCandidates);
  const picture = context.report.pictures[image.id];
  let [wanted, focused] = [{ className: "", kind: "" }, null];
  const fits = ({ classes, error }) =>
    (!wanted.className || classes.map(String).includes(wanted.className)) && (!wanted.kind || error === wanted.kind);
  const isShown = (each) =>
    focused ? each === focused : wantsCandidates && !each.error && each.outcome !== "found" ? false : !(wanted.className || wanted.kind) || fits(each);
  const photos = (enlarge) =>
    [["Ground truth", described.truths], ["Prediction", described.detections]].map(([title, objects]) => {
      const svg = makePhoto(picture, objects, `${title} of ${image.file_name}`, isShown);
      const holder = enlarge
        ? make("button", { type: "button", class: "photo", "aria-label": `Enlarge ${image.file_name}`, click: enlarge }, svg)
        : make("div", { class: "photo" }, svg);
      return make("figure", {}, make("figcaption", {}, title), holder);
    });
  const makeList = (drawn) => {
    const list = make(
      "ul",
      { class: "what" },
      described.errors.map((each) => {
        const focus = (target) => () => {
          focused = target;
          drawn.forEach((figure) => figure.querySelector("svg").redraw());
        };
        const sign = make("span", { class: `mark ${each.kind}`, "aria-label": KINDS[each.kind].words }, KINDS[each.kind].sign);
        const item = make("li", { pointerenter: focus(each), pointerleave: focus(null) }, sign, make("span", {}, makeName(each.words)));
        item.entry = each;
        return item;
      }),
    );
    // A long list fills the card, whose height its neighbour may decide, and scrolls.
    list.style.minHeight = `${1.6 * Math.min(list.children.length, 6)}rem`;
    return list;
  };
  const drawn = photos(() => enlarge());
  const list = makeList(drawn);
  const counts = `${image.true} found, ${image.false} false, ${image.missed} missed`;
  const title = make("h3", {}, makeName(image.file_name), make("small", {}, counts));
  const card = make("article", { class: "card" }, title, make("div", { class: "pair" }, drawn), list.children.length ? list : null);

  function enlarge() {
    const large = photos(null);
    const close = make("button", { type: "button", class: "plain", click: () => dialog.close() }, "Close");
    const dialog = make("dialog", { close: () => dialog.remove(), "aria-label": image.file_name },
      make("h3", {}, makeName(image.file_name), make("small", {}, counts), close), make("div", { class: "pair" }, large), makeList(large));
    document.body.append(dialog);
    dialog.showModal();
  }

  card.show = (className, kind) => {
    wanted = { className, kind };
    card.hidden = Boolean(className || kind) && !described.errors.some(fits);
    [...list.children].forEach((item) => item.classList.toggle("faded", !fits(item.entry)));
    drawn.forEach((figure) => figure.querySelector("svg").redraw());
    return !card.hidden;
  };
  card.errors = described.errors;
  return card;
}

function makeGallery(context, id, title, means, images, { wantsCandidates = false, hasFilter = true } = {}) {
  const cards = images.map((image) => makeCard(context, image, wantsCandidates));
  const errors = cards.flatMap((card) => card.errors);
  let [className, kind] = ["", ""];
  const count = make("p", { class: "note", "aria-live": "polite" });
  const show = () => {
    const number = cards.filter((card) => card.show(className, kind)).length;
    count.textContent = `${number} of ${countOf(cards.length, "image")}`;
  };
  const ids = [...new Set(errors.flatMap(({ classes }) => classes))].map((each) => [String(each), context.nameOf(each)]);
  ids.sort((a, b) => a[1].localeCompare(b[1]));
  const kinds = Object.keys(ERROR_WORDS).filter((each) => errors.some(({ error }) => error === each));
  const controls = make(
    "div",
    { class: "controls" },
    makeSelect("Class", [["", "all classes"], ...ids], (value) => {
      className = value;
      show();
    }),
    wantsCandidates
      ? null
      : makeSelect("Kind of error", [["", "all kinds"], ...kinds.map((each) => [each, ERROR_WORDS[each][0]])], (value) => {
          kind = value;
          show();
        }),
    count,
  );
  show();
  return makeSection(id, title, means, hasFilter && cards.length ? controls : null, makePictureLegend(), cards.length ? make("div", { class: "cards" }, cards) : make("p", { class: "note" }, "There are none."));
}
