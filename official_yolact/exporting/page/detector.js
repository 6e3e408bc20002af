/** The model in its worker, and what it finds in a photo. */

import { boxToPhoto, fit, widenBox } from "./frames.js";
import { MaskMaker } from "./masks.js";

/**
 * Load the model.
 *
 * @param {{say: function(string), onProgress: function(number)}} on is called with what happens, and with the share
 *   of the model that has arrived.
 * @returns {Promise<Detector>}
 */
export async function prepare({ say, onProgress }) {
  const response = await fetch("model.json");
  if (!response.ok) {
    throw new Error(`model.json: the server answers ${response.status}`);
  }
  const settings = await response.json();
  say(`Loading the model, ${Math.ceil(settings.model.size / 1e6)} MB`);
  const detector = new Detector(settings, (done) => onProgress(done / settings.model.size));
  await detector.load();
  return detector;
}

/** Detects instances in pictures, one after another. */
class Detector {
  #worker = new Worker(new URL("worker.js", import.meta.url));
  #waiting = new Map();
  #settings;
  #nextKey = 1;
  #ready;
  #threads = 1;

  /**
   * @param {object} settings what `model.json` holds.
   * @param {(done: number) => void} onProgress is called with the bytes of the model that have arrived.
   */
  constructor(settings, onProgress) {
    this.#settings = settings;
    this.#worker.onmessage = ({ data }) => (data.kind === "progress" ? onProgress(data.done) : this.#settle(data));
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(event.message || "the worker cannot be loaded"));
      }
      this.#waiting.clear();
    };
    this.#ready = this.#ask("load", {
      model: settings.model.file,
      size: settings.model.size,
      input: { input_size: settings.input_size, keep_aspect: settings.keep_aspect },
    });
  }

  /** The model itself leaves out what has a lower score. */
  get lowestScore() {
    return this.#settings.detection.score_threshold;
  }

  /** Wait for the model. */
  async load() {
    this.#threads = (await this.#ready).threads;
  }

  /**
   * Detect instances.
   *
   * @param {ImageData} picture the photo, upright.
   * @returns {Promise<Found>}
   */
  async detect(picture) {
    await this.#ready;
    const { width, height, data } = picture;
    const { found, milliseconds } = await this.#ask("detect", { picture: { width, height, data } });
    return new Found(this.#settings, [height, width], found, describeTime(milliseconds, this.#threads));
  }

  #ask(kind, content) {
    const key = this.#nextKey++;
    const { promise, resolve, reject } = makePromise();
    this.#waiting.set(key, { resolve, reject });
    this.#worker.postMessage({ kind, key, ...content });
    return promise;
  }

  #settle(answer) {
    const { resolve, reject } = this.#waiting.get(answer.key);
    this.#waiting.delete(answer.key);
    if (answer.kind === "failed") {
      reject(new Error(answer.message));
    } else {
      resolve(answer);
    }
  }
}

/** All that was found in one photo; the score decides later what is shown. */
class Found {
  #settings;
  #arrays;
  #frame;
  #masks;
  #instances = new Map();

  constructor(settings, photo, arrays, timing) {
    this.photo = photo;
    this.timing = timing;
    this.#settings = settings;
    this.#arrays = arrays;
    this.#frame = fit(photo, settings);
    this.#masks = new MaskMaker(settings.grid, this.#frame);
  }

  /**
   * Choose the instances whose score and mask score are at least a threshold, best mask score first.
   *
   * @param {number} threshold 0..1.
   * @param {number} most so many are given at most.
   * @returns {object[]} each with `name`, `categoryId`, `classNumber` from 1, `score`, `maskScore`, `box` [top,
   *   left, bottom, right] in pixels of the photo, and the window of its `mask` as `MaskMaker` makes it.
   */
  choose(threshold, most = 100) {
    const { num_detections, detection_scores, detection_mask_scores } = this.#arrays;
    const limit = Math.fround(threshold);
    const ranked = [...Array(Number(num_detections[0])).keys()]
      .filter((row) => Math.min(detection_scores[row], detection_mask_scores[row]) >= limit)
      .sort((a, b) => detection_mask_scores[b] - detection_mask_scores[a] || a - b);
    return ranked.slice(0, most).map((row) => this.#describe(row));
  }

  #describe(row) {
    if (!this.#instances.has(row)) {
      const { detection_scores, detection_mask_scores, detection_classes } = this.#arrays;
      const classNumber = Number(detection_classes[row]);
      const category = this.#settings.categories[classNumber - 1];
      const box = this.#placeBox(row);
      this.#instances.set(row, {
        name: category.name,
        categoryId: category.id,
        classNumber,
        score: detection_scores[row],
        maskScore: detection_mask_scores[row],
        box,
        mask: this.#masks.make(this.#softMask(row), this.#findCrop(box)),
      });
    }
    return this.#instances.get(row);
  }

  #placeBox(row) {
    const box = this.#arrays.detection_boxes.subarray(row * 4, row * 4 + 4);
    return boxToPhoto(box, this.#frame);
  }

  /** Find what cuts a mask at the size of the photo; null: it is cut inside the model, or not at all. */
  #findCrop(box) {
    const { detection, grid } = this.#settings;
    const isCutHere = detection.crop_masks && detection.crop_at === "image";
    return isCutHere ? widenBox(box, this.#frame, grid, detection.crop_padding) : null;
  }

  #softMask(row) {
    const cells = this.#settings.grid[0] * this.#settings.grid[1];
    return this.#arrays.detection_masks.subarray(row * cells, (row + 1) * cells);
  }
}

function describeTime({ resize, network }, threads) {
  const count = `${threads} thread${threads === 1 ? "" : "s"}`;
  return `${(resize + network).toFixed(0)} ms for this photo, with ${count}.`;
}

function makePromise() {
  let resolve, reject;
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}
