/** A heat map of which class was taken for which. */

/**
 * Draw a matrix of counts, the right ones on the diagonal.
 *
 * @param {object} options
 *   rows, columns: names. counts: numbers [rows][columns].
 *   isShare: whether cells show shares of their row.
 *   describe: (row, column) -> words about a cell.
 */
function makeMatrix({ label, rows, columns, counts, isShare, describe }) {
  const readout = make("figcaption", { class: "readout", "aria-live": "polite" }, "Point at a cell to read it.");
  const sums = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  const isLarge = Math.max(rows.length, columns.length) > 16;
  const [side, size] = isLarge ? [13, 10] : [46, 12];
  const room = Math.min(Math.max(...[...rows, ...columns].map((name) => measureText(name, size))), 120) + 14;
  const largest = Math.max(...counts.flat(), 1);
  const cells = counts.flatMap((row, at) =>
    row.flatMap((count, to) => {
      const value = isShare ? count / (sums[at] || 1) : count / largest;
      return count ? [drawCellOf(at, to, value, isLarge ? "" : isShare ? toPercent(value) : toCount(count))] : [];
    }),
  );

  function drawCellOf(at, to, value, text) {
    const { fill, ink } = shade(value, at === to);
    const place = { x: room + to * side, y: room + at * side };
    const rect = make("rect", { class: "cell", ...place, width: side - 1, height: side - 1, fill, "data-at": `${at} ${to}` });
    const words = { x: place.x + side / 2, y: place.y + side / 2 + 4, "text-anchor": "middle", class: ink };
    return text ? make("g", {}, rect, make("text", words, text)) : rect;
  }

  const [width, height] = [room + columns.length * side + 4, room + rows.length * side + 4];
  const ground = { x: room, y: room, width: columns.length * side, height: rows.length * side, fill: "#f6f7f9" };
  const svg = make(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    make("rect", ground),
    rows.map((name, at) =>
      make("text", { x: room - 5, y: room + (at + 0.5) * side + 4, "text-anchor": "end", class: "label" }, cutText(name, room - 14, size)),
    ),
    columns.map((name, at) => {
      const [x, y] = [room + (at + 0.5) * side + 4, room - 6];
      return make("text", { x, y, transform: `rotate(-90 ${x} ${y})`, class: "label" }, cutText(name, room - 14, size));
    }),
    cells,
  );
  const follow = ({ target }) => {
    if (target.dataset?.at) {
      svg.querySelector(".chosen")?.classList.remove("chosen");
      target.classList.add("chosen");
      readout.textContent = describe(...target.dataset.at.split(" ").map(Number));
    }
  };
  svg.addEventListener("pointerover", follow);
  svg.addEventListener("pointerdown", follow);
  return make("figure", { class: `matrix${isLarge ? " large" : ""}`, "data-chart": label }, make("div", { class: "scroll", tabindex: 0 }, svg), readout);
}
