/** The page: brings photos to the detector, and shows what it finds. Texts from outside are never HTML. */

import { Detector } from "./detector.js";
import { chooseColors, drawInstances, toCss } from "./drawing.js";

const MOST_PIXELS = 50_000_000;
const LIST_MILLISECONDS = 500;

const element = (id) => document.getElementById(id);
const canvas = element("canvas");
const camera = element("camera");
const video = element("video");
const threshold = element("threshold");
const numbers = new Intl.NumberFormat("en");

/** What is shown: the photo, what was found in it, and the instances above the threshold. */
const shown = { photo: null, found: null, instances: [], emphasised: -1, name: "photo" };
let detector = null;
let threads = 1;
let newest = 0;
let stream = null;

/** Load the model; leaves `detector` null if it cannot be had. */
async function begin() {
  try {
    const settings = await fetchSettings();
    setLowestThreshold(settings.detection.score_threshold);
    say(`Loading the model, ${Math.ceil(settings.model.size / 1e6)} MB`);
    const loading = new Detector(settings, (done) => {
      element("progress").value = done / settings.model.size;
    });
    threads = await loading.load();
    detector = loading;
    if (newest === 0) {
      say("Ready.");
    }
  } catch (error) {
    say("");
    fail(`The model cannot be loaded: ${error.message}`);
  }
  element("progress").hidden = true;
}

async function fetchSettings() {
  const response = await fetch("model.json");
  if (!response.ok) {
    throw new Error(`model.json: the server answers ${response.status}`);
  }
  return response.json();
}

/** The model itself leaves out what has a lower score: the slider begins there. */
function setLowestThreshold(score) {
  threshold.min = String(Math.ceil(100 * score));
  threshold.value = String(Math.max(30, Number(threshold.min)));
  showThreshold();
}

function listen() {
  element("file").addEventListener("change", ({ target }) => {
    openFirst(target.files);
    target.value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      element("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") {
        openFirst(event.dataTransfer.files);
      }
    });
  }
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      openFirst(event.clipboardData.files);
    }
  });
  camera.addEventListener("click", () => (stream ? stopCamera() : startCamera()));
  element("save").addEventListener("click", save);
  threshold.addEventListener("input", () => {
    showThreshold();
    show();
  });
}

function showThreshold() {
  element("shown-threshold").textContent = `${threshold.value} %`;
  threshold.setAttribute("aria-valuetext", `${threshold.value} percent`);
}

async function openFirst(files) {
  if (!files.length) {
    return;
  }
  stopCamera();
  const [file] = files;
  const order = ++newest;
  fail("");
  say(`Reading ${file.name}`);
  try {
    const photo = await readPhoto(file);
    if (order === newest) {
      const others = files.length > 1 ? ` ${files.length - 1} more were not opened: one at a time.` : "";
      await find(photo, file.name, order, others);
    }
  } catch (error) {
    if (order === newest) {
      say("");
      fail(`${file.name}: ${error.message}`);
    }
  }
}

/** Decode a file to the pixels that it has, turned upright by its EXIF orientation. */
async function readPhoto(file) {
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

function readPixels(source, width, height) {
  if (width * height > MOST_PIXELS) {
    throw new Error(`has ${width} x ${height} pixels, more than ${numbers.format(MOST_PIXELS)}: make it smaller`);
  }
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [width, height];
  const context = copy.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.drawImage(source, 0, 0);
  const photo = context.getImageData(0, 0, width, height);
  // A phone frees the memory of a canvas late.
  [copy.width, copy.height] = [0, 0];
  return photo;
}

async function find(photo, name, order, others = "") {
  if (!shown.found) {
    drawInstances(reveal(), photo, []);
  }
  say(`Looking at ${name}`);
  const found = await detect(photo);
  if (order !== newest) {
    return;
  }
  Object.assign(shown, { photo, found, name, emphasised: -1 });
  show();
  say(`${name}: ${photo.width} x ${photo.height} pixels.${others}`);
  showTiming();
}

async function detect(photo) {
  await begun;
  if (!detector) {
    throw new Error("without the model no object is found: load the page again");
  }
  return detector.detect(photo);
}

function reveal() {
  canvas.hidden = false;
  element("invitation").hidden = true;
  element("drop").classList.add("full");
  return canvas;
}

/** Show the instances above the threshold in the picture and in the list. */
function show(withList = true) {
  if (!shown.found) {
    return;
  }
  shown.instances = shown.found.choose(Number(threshold.value) / 100);
  shown.emphasised = shown.emphasised < shown.instances.length ? shown.emphasised : -1;
  draw();
  element("save").disabled = false;
  if (withList) {
    const summary = summarise(shown.instances);
    element("summary").textContent = summary;
    canvas.setAttribute("aria-label", `${shown.name}: ${summary}`);
    listInstances();
  }
}

function draw() {
  drawInstances(reveal(), shown.photo, shown.instances, shown.emphasised);
}

function summarise(instances) {
  const counts = new Map();
  for (const { name } of instances) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const listed = [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
  const total = `${instances.length} object${instances.length === 1 ? "" : "s"}`;
  return listed ? `${total}: ${listed}.` : `${total}. A lower score may show some.`;
}

function listInstances() {
  const colors = chooseColors(shown.instances);
  element("table").hidden = shown.instances.length === 0;
  element("rows").replaceChildren(...shown.instances.map((instance, index) => makeRow(instance, index, colors[index])));
}

function makeRow(instance, index, color) {
  const row = document.createElement("tr");
  const { area } = instance.mask;
  const share = (100 * area) / (shown.photo.width * shown.photo.height);
  const first = document.createElement("td");
  first.append(makeNameButton(instance, index, color));
  const score = makeNumberCell(instance.score, `${(100 * instance.score).toFixed(1)} %`);
  const pixels = makeNumberCell(area, numbers.format(area));
  row.append(first, score, pixels, makeNumberCell(share / 100, `${share.toFixed(1)} %`));
  return row;
}

function makeNumberCell(value, text) {
  const cell = document.createElement("td");
  cell.className = "number";
  const number = document.createElement("data");
  number.value = String(value);
  number.textContent = text;
  cell.append(number);
  return cell;
}

/** Make the button that lets an instance stand out in the picture. */
function makeNameButton(instance, index, color) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "name";
  button.setAttribute("aria-pressed", String(index === shown.emphasised));
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.backgroundColor = toCss(color);
  const name = document.createElement("span");
  name.textContent = instance.name;
  button.append(swatch, name);
  button.addEventListener("click", () => {
    shown.emphasised = index === shown.emphasised ? -1 : index;
    for (const [other, each] of [...element("rows").querySelectorAll("button")].entries()) {
      each.setAttribute("aria-pressed", String(other === shown.emphasised));
    }
    draw();
  });
  return button;
}

function showTiming() {
  const { resize, network } = shown.found.milliseconds;
  const count = `${threads} thread${threads === 1 ? "" : "s"}`;
  element("timing").textContent = `${(resize + network).toFixed(0)} ms for this photo, with ${count}.`;
}

async function startCamera() {
  fail("");
  if (!navigator.mediaDevices) {
    fail("The camera cannot be used: browsers allow it on https:// addresses and on localhost alone.");
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    fail(`The camera cannot be used: ${error.message}`);
    return;
  }
  camera.setAttribute("aria-pressed", "true");
  camera.textContent = "Stop the camera";
  // Read out once a frame, the list would never end.
  element("summary").setAttribute("aria-live", "off");
  video.srcObject = stream;
  const order = ++newest;
  await video.play();
  await follow(stream, order);
}

/** Look at one frame after the other, each as soon as the one before it is done. */
async function follow(followed, order) {
  let listed = -Infinity;
  try {
    while (stream === followed && order === newest) {
      const photo = readPixels(video, video.videoWidth, video.videoHeight);
      const found = await detect(photo);
      if (order !== newest) {
        return;
      }
      Object.assign(shown, { photo, found, name: "camera" });
      const isDue = performance.now() - listed > LIST_MILLISECONDS;
      listed = isDue ? performance.now() : listed;
      show(isDue);
      say("");
      showTiming();
      await new Promise(requestAnimationFrame);
    }
  } catch (error) {
    stopCamera();
    fail(`The camera was stopped: ${error.message}`);
  }
}

function stopCamera() {
  if (!stream) {
    return;
  }
  for (const track of stream.getTracks()) {
    track.stop();
  }
  stream = null;
  video.srcObject = null;
  newest++;
  camera.setAttribute("aria-pressed", "false");
  camera.textContent = "Use the camera";
  element("summary").setAttribute("aria-live", "polite");
  show();
}

function save() {
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${shown.name.replace(/\.[^.]*$/, "")}-objects.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}

function say(text) {
  element("status").textContent = text;
}

function fail(text) {
  element("failure").textContent = text;
  element("failure").hidden = text === "";
}

listen();
const begun = begin();
