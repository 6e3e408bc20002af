/**
 * Bilinear resampling as TensorFlow does it: half-pixel centres, no antialias, in float32.
 *
 * A canvas would smooth what it shrinks, and each browser in a way of its own.
 */

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
 * Squash a picture to the network's input; its aspect is not kept.
 *
 * @param {{width: number, height: number, data: Uint8ClampedArray}} picture RGBA, as ImageData has it.
 * @param {number} height of the input.
 * @param {number} width of the input.
 * @returns {Float32Array} RGB 0..255, [height, width, 3].
 */
export function resizePicture(picture, height, width) {
  const down = findTaps(picture.height, height);
  const across = findTaps(picture.width, width);
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
      resampleRow(picture, aboveRow, across, above);
    }
    if (down.upper[row] !== belowRow) {
      belowRow = down.upper[row];
      resampleRow(picture, belowRow, across, below);
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

function resampleRow(picture, row, across, result) {
  const start = row * picture.width * 4;
  const { lower, upper, weight } = across;
  for (let column = 0, index = 0; column < weight.length; column++) {
    const left = start + lower[column] * 4;
    const right = start + upper[column] * 4;
    for (let channel = 0; channel < 3; channel++, index++) {
      const value = picture.data[left + channel];
      result[index] = value + Math.fround((picture.data[right + channel] - value) * weight[column]);
    }
  }
}
