/** The frames of a photo and of the network's input, in the arithmetic of `official_yolact_runtime.frames`. */

const { fround } = Math;

/**
 * Bring a box from pixels of the network's input to pixels of the photo, and cut it to the photo.
 *
 * @param {ArrayLike<number>} box top, left, bottom, right.
 * @param {[number, number]} photo height and width.
 * @param {[number, number]} input height and width.
 * @returns {number[]} top, left, bottom, right.
 */
export function boxToPhoto(box, photo, input) {
  return Array.from(box, (side, index) => {
    const axis = index % 2;
    const moved = fround(side / fround(input[axis] / photo[axis]));
    return Math.min(Math.max(moved, 0), photo[axis]);
  });
}

/**
 * Widen a box of the photo on every side by cells of the masks' grid.
 *
 * @param {number[]} box top, left, bottom, right in pixels of the photo.
 * @param {[number, number]} photo height and width.
 * @param {[number, number]} input height and width.
 * @param {[number, number]} grid height and width in cells.
 * @param {number} cells so many of them.
 * @returns {number[]} top, left, bottom, right.
 */
export function widenBox(box, photo, input, grid, cells) {
  return box.map((side, index) => {
    const axis = index % 2;
    const extent = fround(input[axis] / fround(input[axis] / photo[axis]));
    const margin = fround(fround(extent / grid[axis]) * fround(cells));
    return fround(index < 2 ? side - margin : side + margin);
  });
}
