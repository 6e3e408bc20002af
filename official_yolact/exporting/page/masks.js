/** Soft masks of a grid over the network's input, brought to the pixels of their photo. */

import { findTaps } from "./resize.js";

const THRESHOLD = 0.5;

/**
 * Makes the masks of one photo.
 *
 * It is resampled inside the window alone that its cells reach, or that its crop leaves: to the pixel what the
 * whole mask would be.
 */
export class MaskMaker {
  /**
   * @param {[number, number]} grid height and width of the soft masks.
   * @param {object} frame how the photo lies in the network's input, of `fit`.
   */
  constructor(grid, { photo, first, extent }) {
    [this.height, this.width] = grid;
    [this.down, this.across] = [0, 1].map((axis) => {
      const taps = findTaps(grid[axis], extent[axis]);
      const seen = [-first[axis], photo[axis] - first[axis]];
      return Object.fromEntries(Object.entries(taps).map(([name, values]) => [name, values.subarray(...seen)]));
    });
  }

  /**
   * Make a mask.
   *
   * @param {Float32Array} soft mask [height, width] of the grid, at least 0.
   * @param {number[] | null} crop top, left, bottom and right of a box in pixels of the photo: a pixel whose
   *   centre is not in it is left out; null: the mask is not cut here.
   * @returns {{top: number, left: number, height: number, width: number, mask: Uint8Array, area: number}}
   *   the window, 1 for each of its pixels that belongs to the object, and how many do.
   */
  make(soft, crop = null) {
    const { rows, columns } = this.#findUsed(soft);
    const [top, bottom] = intersect(findTouched(this.down, rows), crop && [crop[0], crop[2]]);
    const [left, right] = intersect(findTouched(this.across, columns), crop && [crop[1], crop[3]]);
    const [height, width] = [bottom - top, right - left];
    const mask = new Uint8Array(height * width);
    const area = height && width ? this.#fill(soft, top, left, height, width, mask) : 0;
    return { top, left, height, width, mask, area };
  }

  /** Find the first and last rows and columns of the grid that are not empty; null: all are. */
  #findUsed(soft) {
    let [top, bottom, left, right] = [this.height, -1, this.width, -1];
    for (let row = 0, index = 0; row < this.height; row++) {
      for (let column = 0; column < this.width; column++, index++) {
        if (soft[index]) {
          top = Math.min(top, row);
          bottom = row;
          left = Math.min(left, column);
          right = Math.max(right, column);
        }
      }
    }
    return bottom < 0 ? { rows: null, columns: null } : { rows: [top, bottom], columns: [left, right] };
  }

  #fill(soft, top, left, height, width, mask) {
    const above = new Float32Array(width);
    const below = new Float32Array(width);
    let [aboveRow, belowRow, area] = [-1, -1, 0];
    for (let row = 0, index = 0; row < height; row++) {
      const [lower, upper] = [this.down.lower[top + row], this.down.upper[top + row]];
      if (lower !== aboveRow) {
        this.#resampleRow(soft, lower, left, above);
        aboveRow = lower;
      }
      if (upper !== belowRow) {
        this.#resampleRow(soft, upper, left, below);
        belowRow = upper;
      }
      const share = this.down.weight[top + row];
      for (let column = 0; column < width; column++, index++) {
        const step = Math.fround(Math.fround(below[column] - above[column]) * share);
        mask[index] = Math.fround(above[column] + step) > THRESHOLD ? 1 : 0;
        area += mask[index];
      }
    }
    return area;
  }

  #resampleRow(soft, row, left, result) {
    const { lower, upper, weight } = this.across;
    const start = row * this.width;
    for (let column = 0; column < result.length; column++) {
      const value = soft[start + lower[left + column]];
      const step = Math.fround(soft[start + upper[left + column]] - value);
      result[column] = value + Math.fround(step * weight[left + column]);
    }
  }
}

/** Keep of the pixels from the first to past the last one those whose centres lie between two ends. */
function intersect([first, last], ends) {
  if (!ends) {
    return [first, last];
  }
  const [start, end] = ends.map((side) => Math.ceil(side - 0.5));
  const begin = Math.max(first, start);
  return [begin, Math.max(begin, Math.min(last, end))];
}

/** Find the pixels, from the first to past the last one, that any cell from the first to the last reaches. */
function findTouched({ lower, upper }, cells) {
  if (!cells) {
    return [0, 0];
  }
  let first = 0;
  while (first < upper.length && upper[first] < cells[0]) {
    first++;
  }
  let last = lower.length;
  while (last > first && lower[last - 1] > cells[1]) {
    last--;
  }
  return [first, last];
}
