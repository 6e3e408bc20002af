/**
 * Bilinear resampling as TensorFlow does it: half-pixel centres, no antialias, in float32.
 *
 * A canvas would smooth what it shrinks, and each browser in a way of its own.
 */

import { FILL_COLOR } from "./frames.js";

/**
 * Find the two cells between which each pixel of one axis lies.
 *
 * @param {number} cells that are resampled.
 * @param {number} pixels that they become.
 * @returns {{lower: Int32Array, upper: Int32Array, weight: Float32Array}} the cells before and after each
 *   pixel, and the weight of the one after it; all three have one number for each pixel.
 */
export function findTaps(cells, pixels) {
  const lower = new Int32Array(pixels);
  const upper = new Int32Array(pixels);
  const weight = new Float32Array(pixels);
  const scale = Math.fround(cells / pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    // Each step is rounded to float32, as in TensorFlow's kernel.
    const at = Math.fround(Math.fround(Math.fround(pixel + 0.5) * scale) - 0.5);
    const before = Math.floor(at);
    lower[pixel] = Math.max(before, 0);
    upper[pixel] = Math.min(Math.ceil(at), cells - 1);
    weight[pixel] = at - before;
  }
  return { lower, upper, weight };
}

/**
 * Bring a picture, on the canvas that it lies on, to the network's input.
 *
 * @param {{width: number, height: number, data: Uint8ClampedArray}} picture RGBA, as ImageData has it.
 * @param {object} frame how it lies there, of `fit`.
 * @returns {Float32Array} RGB 0..255, [height, width, 3] of the input.
 */
export function resizePicture(picture, { first, extent, input }) {
  const [height, width] = input;
  const down = findTaps(extent[0], height);
  const across = findTaps(extent[1], width);
  const result = new Float32Array(height * width * 3);
  let above = new Float32Array(width * 3);
  let below = new Float32Array(width * 3);
  let aboveRow = -1;
  let belowRow = -1;
  for (let row = 0; row < height; row++) {
    if (down.lower[row] === belowRow) {
      [above, below, aboveRow, belowRow] = [below, above, belowRow, aboveRow];
    }
    if (down.lower[row] !== aboveRow) {
      aboveRow = down.lower[row];
      resampleRow(picture, aboveRow, first, across, above);
    }
    if (down.upper[row] !== belowRow) {
      belowRow = down.upper[row];
      resampleRow(picture, belowRow, first, across, below);
    }
    const start = row * width * 3;
    const share = down.weight[row];
    for (let index = 0; index < above.length; index++) {
      const step = Math.fround(Math.fround(below[index] - above[index]) * share);
      result[start + index] = above[index] + step;
    }
  }
  return result;
}

/** Resample a row of the canvas that begins at `first`, a row and a column of the picture. */
function resampleRow({ width, height, data }, row, first, across, result) {
  const start = (row + first[0]) * width * 4;
  const isEmpty = row + first[0] < 0 || row + first[0] >= height;
  const { lower, upper, weight } = across;
  const fill = FILL_COLOR.map(Math.fround);
  const read = (column, channel) =>
    isEmpty || column < 0 || column >= width ? fill[channel] : data[start + column * 4 + channel];
  for (let column = 0, index = 0; column < weight.length; column++) {
    const [left, right] = [lower[column] + first[1], upper[column] + first[1]];
    for (let channel = 0; channel < 3; channel++, index++) {
      const value = read(left, channel);
      const step = Math.fround(read(right, channel) - value);
      result[index] = value + Math.fround(step * weight[column]);
    }
  }
}
