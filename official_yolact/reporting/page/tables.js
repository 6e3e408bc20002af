/** Tables that sort by any column. */

/**
 * Make a table.
 *
 * @param {{title: string, value: function, show: ?function, isText: ?boolean, isExtra: ?boolean, hint: ?string}[]}
 *   columns `value` gives what a row is sorted by, `show` the text or node of its cell; what is extra is left out
 *   of a narrow window.
 * @param {object[]} rows
 * @param {{sortBy: ?number, isDescending: ?boolean, label: string}} options without `sortBy` nothing sorts.
 * @returns {HTMLElement} whose `filter` keeps the rows for which a function is true.
 */
function makeTable(columns, rows, { label, sortBy = null, isDescending = false, className = "" }) {
  let [by, descends, isKept] = [sortBy, isDescending, () => true];
  const body = make("tbody");
  const heads = columns.map(({ title, hint, ...column }, at) => {
    const sort = () => {
      descends = by === at ? !descends : !column.isText;
      by = at;
      draw();
    };
    const content = sortBy === null ? title : make("button", { type: "button", class: "sort", click: sort }, title);
    return make("th", { scope: "col", class: nameColumn(column), title: hint ?? null }, content);
  });

  function draw() {
    const listed = rows.filter(isKept);
    if (by !== null) {
      const value = columns[by].value;
      listed.sort((a, b) => (descends ? -1 : 1) * compareValues(value(a), value(b), descends));
      heads.forEach((head, at) => {
        const order = descends ? "descending" : "ascending";
        head.setAttribute("aria-sort", at === by ? order : "none");
      });
    }
    body.replaceChildren(...listed.map((row) => make("tr", {}, columns.map((column, at) => drawCell(column, row, at)))));
  }

  draw();
  const table = make(
    "table",
    { "aria-label": label, class: className || null },
    make("thead", {}, make("tr", {}, heads)),
    body,
  );
  table.filter = (keep) => {
    isKept = keep;
    draw();
  };
  return table;
}

function nameColumn({ isText, isExtra }) {
  return [isText && "text", isExtra && "extra"].filter(Boolean).join(" ") || null;
}

function drawCell({ value, show, ...column }, row, at) {
  const content = show ? show(row) : value(row);
  const attributes = { class: nameColumn(column) };
  return at === 0 ? make("th", { scope: "row", title: value(row), ...attributes }, content) : make("td", attributes, content);
}

/** Compare numbers or words; what is unknown comes last in either order. */
function compareValues(a, b, descends) {
  if (typeof a === "string" && typeof b === "string") {
    return a.localeCompare(b, undefined, { numeric: true });
  }
  const [hasA, hasB] = [isNumber(a) && a >= 0, isNumber(b) && b >= 0];
  if (hasA && hasB) {
    return a - b;
  }
  return (hasA - hasB) * (descends ? 1 : -1);
}
