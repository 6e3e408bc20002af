/** What was found, as files for the visitor. */

import { toBlob, writePixels } from "./photos.js";
import { encode } from "./runs.js";
import { makeZip } from "./zip.js";

/** Save the photo with its objects, as the canvas shows them. */
export async function savePicture(canvas, name) {
  offer(await toBlob(canvas), `${strip(name)}-objects.png`);
}

/** Save the objects as a COCO file. */
export function saveCoco({ photo, instances, name }) {
  const { height, width } = photo;
  const categories = new Map(instances.map((instance) => [instance.categoryId, instance.name]));
  const content = {
    images: [{ id: 1, file_name: name, height, width }],
    categories: [...categories].sort(([a], [b]) => a - b).map(([id, title]) => ({ id, name: title })),
    annotations: instances.map(({ categoryId, box: [top, left, bottom, right], mask, maskScore }, index) => ({
      id: index + 1,
      image_id: 1,
      category_id: categoryId,
      bbox: [left, top, right - left, bottom - top],
      area: mask.area,
      iscrowd: 0,
      segmentation: encode(mask, photo),
      score: maskScore,
    })),
  };
  offer(new Blob([JSON.stringify(content)], { type: "application/json" }), `${strip(name)}-coco.json`);
}

/** Save each object by itself, on a transparent ground. */
export async function saveCutOuts({ photo, instances, name }) {
  const files = [];
  for (const [index, instance] of instances.entries()) {
    if (instance.mask.area) {
      const blob = await writePixels(cutOut(photo, instance.mask));
      const title = instance.name.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60);
      files.push([`${String(index + 1).padStart(3, "0")}-${title}.png`, new Uint8Array(await blob.arrayBuffer())]);
    }
  }
  offer(makeZip(files), `${strip(name)}-objects.zip`);
}

function cutOut(photo, { top, left, height, width, mask }) {
  const part = new ImageData(width, height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (mask[row * width + column]) {
        const from = ((top + row) * photo.width + left + column) * 4;
        part.data.set(photo.data.subarray(from, from + 4), (row * width + column) * 4);
      }
    }
  }
  return part;
}

function strip(name) {
  return name.replace(/\.[^.]*$/, "");
}

function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
