/**
 * COCO's compressed run lengths, which run down the columns of a photo, background first.
 *
 * Each run is a number in base 32, lowest digit first; a digit is a character from "0" on, its bit 5 says that more
 * digits follow, bit 4 of the last digit is the sign. From the fourth run on the number is the difference to the run
 * before the last.
 */

/** Write the mask of a window as {size, counts}; `photo` has the height and the width of the photo. */
export function encode({ top, left, height, width, mask }, photo) {
  const runs = [0];
  let last = 0;
  const add = (value, count) => {
    if (value === last) {
      runs[runs.length - 1] += count;
    } else if (count) {
      runs.push(count);
      last = value;
    }
  };
  add(0, (height && left) * photo.height);
  for (let column = 0; column < width && height; column++) {
    add(0, top);
    for (let row = 0; row < height; row++) {
      add(mask[row * width + column], 1);
    }
    add(0, photo.height - top - height);
  }
  add(0, (height ? photo.width - left - width : photo.width) * photo.height);
  return { size: [photo.height, photo.width], counts: compress(runs) };
}

/** Read run lengths as the window that the mask fills, with its area. */
export function decode({ size: [rows], counts }) {
  const runs = decompress(counts);
  const pieces = findPieces(runs, rows);
  let [top, bottom, left, right, area] = [Infinity, 0, Infinity, 0, 0];
  for (const [column, first, last] of pieces) {
    [top, bottom] = [Math.min(top, first), Math.max(bottom, last)];
    [left, right] = [Math.min(left, column), Math.max(right, column + 1)];
    area += last - first;
  }
  if (!area) {
    return { top: 0, left: 0, height: 0, width: 0, mask: new Uint8Array(0), area };
  }
  const [height, width] = [bottom - top, right - left];
  const mask = new Uint8Array(height * width);
  for (const [column, first, last] of pieces) {
    for (let row = first - top; row < last - top; row++) {
      mask[row * width + column - left] = 1;
    }
  }
  return { top, left, height, width, mask, area };
}

/** Split the runs of the object at the ends of columns: [column, first row, row past the last]. */
function findPieces(runs, rows) {
  const pieces = [];
  let at = 0;
  for (const [index, run] of runs.entries()) {
    const end = at + run;
    while (index % 2 && at < end) {
      const column = Math.floor(at / rows);
      const last = Math.min(end, (column + 1) * rows);
      pieces.push([column, at - column * rows, last - column * rows]);
      at = last;
    }
    at = end;
  }
  return pieces;
}

function compress(runs) {
  let text = "";
  for (const [index, run] of runs.entries()) {
    let number = index > 2 ? run - runs[index - 2] : run;
    for (let isMore = true; isMore; ) {
      const digit = number & 31;
      number >>= 5;
      isMore = number !== (digit & 16 ? -1 : 0);
      text += String.fromCharCode(48 + digit + (isMore ? 32 : 0));
    }
  }
  return text;
}

function decompress(text) {
  const runs = [];
  for (let at = 0; at < text.length; ) {
    let [number, shift, digit] = [0, 0, 32];
    while (digit & 32) {
      digit = text.charCodeAt(at++) - 48;
      number |= (digit & 31) << shift;
      shift += 5;
    }
    if (digit & 16 && shift < 32) {
      number |= -1 << shift;
    }
    runs.push(runs.length > 2 ? number + runs[runs.length - 2] : number);
  }
  return runs;
}
