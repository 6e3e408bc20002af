/** The server's models, and what they find in a photo. */

import { writePixels } from "./photos.js";
import { decode } from "./runs.js";

const LOWEST_SCORE = 0.05;
const MOST = 100;
const READ_BY_THE_SERVER = /^image\/(jpeg|png|gif|bmp|webp)$/;
const element = (id) => document.getElementById(id);

/**
 * Ask the server for its models; where it wants a token, ask the visitor for that.
 *
 * @param {{say: function(string), onChange: function()}} on is called with what happens, and when the visitor has
 *   chosen another model.
 * @returns {Promise<Detector>}
 */
export async function prepare({ say, onChange }) {
  let token = sessionStorage.getItem("token") ?? "";
  let response = await ask("v1/models", token);
  for (let tried = token; response.status === 401; tried = token) {
    say(tried ? "This is not the token of this server." : "This server wants a token.");
    token = await readToken();
    response = await ask("v1/models", token);
  }
  sessionStorage.setItem("token", token);
  if (!response.ok) {
    throw new Error(await explain(response));
  }
  const models = await response.json();
  const select = element("model");
  select.replaceChildren(...models.map(({ name }) => new Option(name, name)));
  element("options").hidden = models.length < 2;
  const detector = new Detector(models, select, token);
  select.addEventListener("change", () => {
    detector.describe();
    onChange();
  });
  detector.describe();
  return detector;
}

/** Detects instances in photos: the server is asked once for each, also for what only a lower score would show. */
class Detector {
  lowestScore = LOWEST_SCORE;
  #models;
  #select;
  #token;

  constructor(models, select, token) {
    this.#models = models;
    this.#select = select;
    this.#token = token;
  }

  get #model() {
    return this.#models[this.#select.selectedIndex];
  }

  /** Say in the page which model is chosen. */
  describe() {
    const { name, runtime, categories } = this.#model;
    const count = `${categories.length} class${categories.length === 1 ? "" : "es"}`;
    element("about").textContent = `${name}: ${count}, computed by ${runtime}.`;
  }

  /**
   * Detect instances.
   *
   * @param {ImageData} photo upright.
   * @param {Blob | null} file that the photo was read from; null: there is none.
   * @returns {Promise<Found>}
   */
  async detect(photo, file) {
    const start = performance.now();
    let answer = null;
    if (file && READ_BY_THE_SERVER.test(file.type)) {
      answer = await this.#send(file);
    }
    // Without a file, and where the browser turns it in another way, the pixels are sent that are shown.
    if (!answer || answer.height !== photo.height || answer.width !== photo.width) {
      answer = await this.#send(await writePixels(photo, file ? "image/png" : "image/jpeg"));
    }
    return new Found(answer.detections, this.#model.categories, performance.now() - start);
  }

  async #send(body) {
    const options = new URLSearchParams({ threshold: LOWEST_SCORE, max_detections: MOST, model: this.#model.name });
    for (;;) {
      const response = await ask(`v1/predict?${options}`, this.#token, body);
      if (response.ok) {
        return response.json();
      }
      if (response.status !== 503) {
        throw new Error(await explain(response));
      }
      const seconds = Number(response.headers.get("Retry-After") ?? 1);
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    }
  }
}

/** All that was found in one photo; the score decides later what is shown. */
class Found {
  #detections;
  #classes;
  #instances = new Map();

  constructor(detections, categories, milliseconds) {
    this.timing = `${milliseconds.toFixed(0)} ms for this photo, there and back.`;
    this.#detections = detections;
    this.#classes = new Map(categories.map(({ id }, index) => [id, index + 1]));
  }

  /** Choose the instances whose score is at least a threshold, best first, as the page of an export does. */
  choose(threshold) {
    return [...this.#detections.keys()]
      .filter((row) => this.#detections[row].score >= Math.fround(threshold))
      .map((row) => this.#describe(row));
  }

  #describe(row) {
    if (!this.#instances.has(row)) {
      const { category_name, category_id, score, bbox, segmentation } = this.#detections[row];
      const [left, top, width, height] = bbox;
      this.#instances.set(row, {
        name: category_name,
        categoryId: category_id,
        classNumber: this.#classes.get(category_id),
        score,
        maskScore: score,
        box: [top, left, top + height, left + width],
        mask: decode(segmentation),
      });
    }
    return this.#instances.get(row);
  }
}

async function ask(address, token, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    return await fetch(address, { method: body ? "POST" : "GET", body, headers });
  } catch {
    throw new Error("the server cannot be reached");
  }
}

async function explain(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `the server answers ${response.status}`;
  }
}

/** Ask the visitor for the token. */
async function readToken() {
  const form = element("entry");
  form.hidden = false;
  element("token").focus();
  await new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      resolve();
    };
  });
  form.hidden = true;
  return element("token").value;
}
