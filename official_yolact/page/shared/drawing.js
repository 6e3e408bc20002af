/** Draws instances on a photo: masks and contours, boxes, labels. */

const OPACITY = 0.42;
const STRONG_OPACITY = 0.7;
const SMALLEST_SIDE = 640;
const GOLDEN_ANGLE = 137.508;
const LIGHTNESS_SHIFTS = [0, 0.09, -0.09, 0.045, -0.045];
const HUE_SHIFTS = [0, 16, -16, 8, -8, 24, -24];

/**
 * Choose the colour of each instance: hues of classes lie apart, shades of one class near.
 *
 * @returns {[number, number, number][]} RGB, 0..255, the colours of `yolact predict`.
 */
export function chooseColors(instances) {
  const counts = new Map();
  return instances.map(({ classNumber }) => {
    const count = counts.get(classNumber) ?? 0;
    counts.set(classNumber, count + 1);
    const hue = 255 + GOLDEN_ANGLE * (classNumber - 1) + HUE_SHIFTS[count % HUE_SHIFTS.length];
    return oklchToRgb(0.74 + LIGHTNESS_SHIFTS[count % LIGHTNESS_SHIFTS.length], 0.17, hue);
  });
}

/** Source: B. Ottosson, "A perceptual color space for image processing", 2020. */
function oklchToRgb(lightness, chroma, hue) {
  const [a, b] = [Math.cos, Math.sin].map((part) => chroma * part((hue * Math.PI) / 180));
  const [l, m, s] = [
    lightness + 0.3963377774 * a + 0.2158037573 * b,
    lightness - 0.1055613458 * a - 0.0638541728 * b,
    lightness - 0.0894841775 * a - 1.291485548 * b,
  ].map((cone) => cone ** 3);
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((linear) => {
    const value = Math.min(Math.max(linear, 0), 1);
    return Math.round(255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
  });
}

/**
 * Draw the photo and its instances.
 *
 * @param {HTMLCanvasElement} canvas gets the photo's size, or a multiple of it where that is small.
 * @param {ImageData} photo
 * @param {object[]} instances as `Found.choose` gives them.
 * @param {number} emphasised index of the instance that stands out; -1: none does.
 */
export function drawInstances(canvas, photo, instances, emphasised = -1) {
  const zoom = Math.max(1, Math.floor(SMALLEST_SIDE / Math.max(photo.width, photo.height)));
  const [width, height] = [photo.width * zoom, photo.height * zoom];
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
  }
  const colors = chooseColors(instances);
  const order = largestFirst(instances);
  const context = canvas.getContext("2d");
  paint(context, drawMasks(photo, instances, colors, order, emphasised), zoom);
  const side = Math.sqrt(width * height);
  const line = Math.max(1, side / 760);
  for (const index of order) {
    drawBox(context, scaleBox(instances[index], zoom), colors[index], index === emphasised ? line * 3 : line);
  }
  drawLabels(context, instances, colors, order, zoom, Math.min(Math.max(Math.round(side / 38), 12), 96));
}

function drawMasks(photo, instances, colors, order, emphasised) {
  const picture = new ImageData(new Uint8ClampedArray(photo.data), photo.width, photo.height);
  const line = Math.max(1, Math.round(Math.sqrt(photo.width * photo.height) / 380));
  for (const index of order) {
    const isStrong = index === emphasised;
    blendMask(picture, instances[index].mask, colors[index], isStrong ? STRONG_OPACITY : OPACITY);
    drawContour(picture, instances[index].mask, colors[index], isStrong ? line * 2 : line);
  }
  return picture;
}

function paint(context, picture, zoom) {
  context.putImageData(picture, 0, 0);
  if (zoom > 1) {
    context.imageSmoothingEnabled = false;
    const { width, height } = picture;
    context.drawImage(context.canvas, 0, 0, width, height, 0, 0, width * zoom, height * zoom);
  }
}

function scaleBox({ box }, zoom) {
  return box.map((side) => side * zoom);
}

/** Find the smallest instance whose mask has a pixel; -1: none has. */
export function findInstance(instances, row, column) {
  const hit = ({ mask: { top, left, height, width, mask } }) => {
    const [y, x] = [Math.floor(row) - top, Math.floor(column) - left];
    return y >= 0 && y < height && x >= 0 && x < width && mask[y * width + x] === 1;
  };
  let found = -1;
  for (const [index, instance] of instances.entries()) {
    if (hit(instance) && (found < 0 || instance.mask.area < instances[found].mask.area)) {
      found = index;
    }
  }
  return found;
}

function largestFirst(instances) {
  const areas = instances.map(({ box }) => (box[2] - box[0]) * (box[3] - box[1]));
  return [...instances.keys()].sort((a, b) => areas[b] - areas[a] || a - b);
}

function blendMask(picture, { top, left, height, width, mask }, color, opacity) {
  for (let row = 0, index = 0; row < height; row++) {
    let at = ((top + row) * picture.width + left) * 4;
    for (let column = 0; column < width; column++, index++, at += 4) {
      if (mask[index]) {
        for (let channel = 0; channel < 3; channel++) {
          picture.data[at + channel] += (color[channel] - picture.data[at + channel]) * opacity;
        }
      }
    }
  }
}

/** Colour the pixels of the mask that have a neighbour outside, each as a square as wide as the line. */
function drawContour(picture, { top, left, height, width, mask }, color, line) {
  const isInside = (row, column) =>
    row >= 0 && row < height && column >= 0 && column < width && mask[row * width + column] === 1;
  const reach = Math.floor((line - 1) / 2);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const isEdge =
        isInside(row, column) &&
        !(
          isInside(row - 1, column) &&
          isInside(row + 1, column) &&
          isInside(row, column - 1) &&
          isInside(row, column + 1)
        );
      if (isEdge) {
        fillSquare(picture, top + row - reach, left + column - reach, line, color);
      }
    }
  }
}

function fillSquare(picture, top, left, side, color) {
  for (let row = Math.max(top, 0); row < Math.min(top + side, picture.height); row++) {
    for (let column = Math.max(left, 0); column < Math.min(left + side, picture.width); column++) {
      picture.data.set(color, (row * picture.width + column) * 4);
    }
  }
}

function drawBox(context, [top, left, bottom, right], color, line) {
  context.strokeStyle = toCss(color);
  context.lineWidth = line;
  context.strokeRect(left, top, right - left, bottom - top);
}

/** Write each name and score at its box where there is room, from the largest instance on. */
function drawLabels(context, instances, colors, order, zoom, size) {
  const { width, height } = context.canvas;
  const pad = Math.max(2, size / 4);
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const taken = [];
  for (const index of order) {
    const text = describe(instances[index]);
    const label = [context.measureText(text).width + 2 * pad, size + 2 * pad];
    const corner = placeLabel(scaleBox(instances[index], zoom), label, [width, height], taken);
    if (corner) {
      taken.push([...corner, corner[0] + label[0], corner[1] + label[1]]);
      context.fillStyle = toCss(colors[index]);
      context.fillRect(...corner, ...label);
      context.fillStyle = luminance(colors[index]) > 0.2 ? "#101218" : "#fff";
      context.fillText(text, corner[0] + pad, corner[1] + label[1] / 2);
    }
  }
}

/** Choose the first corner, (left, top), at which a label overlaps no other; undefined: there is none. */
function placeLabel([top, left, bottom, right], [width, height], [pictureWidth, pictureHeight], taken) {
  const corners = [
    [left, top - height],
    [right - width, top - height],
    [left, top],
    [left, bottom],
    [right - width, bottom - height],
    [(left + right - width) / 2, (top + bottom - height) / 2],
  ].map(([x, y]) => [
    Math.min(Math.max(x, 0), Math.max(0, pictureWidth - width)),
    Math.min(Math.max(y, 0), Math.max(0, pictureHeight - height)),
  ]);
  return corners.find(([x, y]) =>
    taken.every(([x0, y0, x1, y1]) => x >= x1 || x0 >= x + width || y >= y1 || y0 >= y + height),
  );
}

/** Name an instance with its score. */
export function describe({ name, score }) {
  return `${name} ${Math.round(100 * score)} %`;
}

/** Write a colour for a style. */
export function toCss(color) {
  return `rgb(${color.join(" ")})`;
}

function luminance(color) {
  const [red, green, blue] = color.map((value) => (value / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
