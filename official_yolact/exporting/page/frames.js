/** The frames of a photo and of the network's input, in the arithmetic of `official_yolact_runtime.frames`. */

const { floor, fround, max } = Math;

/** RGB where the input shows no photo. */
export const FILL_COLOR = [123.68, 116.78, 103.94];

/**
 * Find how a photo lies in the network's input.
 *
 * @param {[number, number]} photo height and width.
 * @param {{input_size: [number, number], keep_aspect: boolean}} settings of `model.json`.
 * @returns {{photo, first, extent, scale, offset, input}} each height and width: where the canvas begins in the
 *   photo, and its size, which are the photo's own if it is squashed; pixels of the input for one of the photo;
 *   the input's pixel at which the canvas begins; the input's size.
 */
export function fit(photo, { input_size: input, keep_aspect }) {
  const [[height, width], [rows, columns]] = [photo, input];
  let extent = photo;
  if (keep_aspect && height * columns < width * rows) {
    extent = [max(height, floor((2 * width * rows + columns) / (2 * columns))), width];
  } else if (keep_aspect) {
    extent = [height, max(width, floor((2 * height * columns + rows) / (2 * rows)))];
  }
  const first = photo.map((side, axis) => floor((side - extent[axis]) / 2));
  const scale = input.map((side, axis) => fround(side / extent[axis]));
  const offset = first.map((side, axis) => fround(side * scale[axis]));
  return { photo, first, extent, scale, offset, input };
}

/**
 * Bring a box from pixels of the network's input to pixels of the photo, and cut it to the photo.
 *
 * @param {ArrayLike<number>} box top, left, bottom, right.
 * @param {object} frame of `fit`.
 * @returns {number[]} top, left, bottom, right.
 */
export function boxToPhoto(box, { photo, scale, offset }) {
  return Array.from(box, (side, index) => {
    const axis = index % 2;
    const moved = fround(fround(side + offset[axis]) / scale[axis]);
    return Math.min(max(moved, 0), photo[axis]);
  });
}

/**
 * Widen a box of the photo on every side by cells of the masks' grid.
 *
 * @param {number[]} box top, left, bottom, right in pixels of the photo.
 * @param {object} frame of `fit`.
 * @param {[number, number]} grid height and width in cells.
 * @param {number} cells so many of them.
 * @returns {number[]} top, left, bottom, right.
 */
export function widenBox(box, { input, scale }, grid, cells) {
  return box.map((side, index) => {
    const axis = index % 2;
    const extent = fround(input[axis] / scale[axis]);
    const margin = fround(fround(extent / grid[axis]) * fround(cells));
    return fround(index < 2 ? side - margin : side + margin);
  });
}
