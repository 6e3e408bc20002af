/** Photos as pixels. */

const MOST_PIXELS = 50_000_000;
const numbers = new Intl.NumberFormat("en");

/** Decode a file to the pixels that it has, turned upright by its EXIF orientation. */
export async function readPhoto(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Error("is no picture that this browser can read");
  }
  try {
    return readPixels(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/** Copy the pixels of anything that can be drawn. */
export function readPixels(source, width, height) {
  if (width * height > MOST_PIXELS) {
    throw new Error(`has ${width} x ${height} pixels, more than ${numbers.format(MOST_PIXELS)}: make it smaller`);
  }
  return useCanvas(width, height, (context) => {
    context.drawImage(source, 0, 0);
    return context.getImageData(0, 0, width, height);
  });
}

/** Write pixels as a file, of which a PNG has them all. */
export function writePixels(pixels, type = "image/png") {
  return useCanvas(pixels.width, pixels.height, (context) => {
    context.putImageData(pixels, 0, 0);
    return toBlob(context.canvas, type);
  });
}

/** Write what a canvas shows as a file. */
export function toBlob(canvas, type = "image/png") {
  return new Promise((resolve) => canvas.toBlob(resolve, type, 0.95));
}

function useCanvas(width, height, use) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const free = () => {
    // A phone frees the memory of a canvas late.
    [canvas.width, canvas.height] = [0, 0];
  };
  const result = use(canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" }));
  if (result instanceof Promise) {
    return result.finally(free);
  }
  free();
  return result;
}
