/**
 * The page: brings photos to the detector, and shows what it finds. Texts from outside are never HTML.
 *
 * The page of an export and that of a server have this file, each with a `detector.js` of its own.
 */

import { prepare } from "./detector.js";
import { saveCoco, saveCutOuts, savePicture } from "./downloads.js";
import { drawInstances, findInstance } from "./drawing.js";
import { List, summarise } from "./list.js";
import { readPhoto, readPixels } from "./photos.js";

const LIST_MILLISECONDS = 500;

const element = (id) => document.getElementById(id);
const canvas = element("canvas");
const camera = element("camera");
const video = element("video");
const threshold = element("threshold");
const list = new List(element("rows"), { press, hover });

/** What is shown: the photo, what was found in it, the instances above the threshold, and which stand out. */
const shown = { photo: null, found: null, instances: [], pressed: -1, hovered: -1, name: "photo", file: null };
let detector = null;
let newest = 0;
let stream = null;

/** Get the model ready; leaves `detector` null if it cannot be had. */
async function begin() {
  const progress = element("progress");
  try {
    detector = await prepare({ say, onProgress: (share) => (progress.value = share), onChange: findAgain });
    threshold.min = String(Math.ceil(100 * detector.lowestScore));
    threshold.value = String(Math.max(Number(threshold.value), Number(threshold.min)));
    showThreshold();
    if (newest === 0) {
      say("Ready.");
    }
  } catch (error) {
    say("");
    fail(`The model cannot be loaded: ${error.message}`);
  }
  progress.hidden = true;
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
  // The page of an export has no example.
  element("example")?.addEventListener("click", openExample);
  element("save").addEventListener("click", () => savePicture(canvas, shown.name));
  element("save-coco").addEventListener("click", () => saveCoco(shown));
  element("save-cut-outs").addEventListener("click", () => saveCutOuts(shown));
  canvas.addEventListener("pointermove", (event) => hover(findUnder(event)));
  canvas.addEventListener("pointerleave", () => hover(-1));
  canvas.addEventListener("click", (event) => press(findUnder(event)));
  threshold.addEventListener("input", () => {
    showThreshold();
    show();
  });
}

function showThreshold() {
  element("shown-threshold").textContent = `${threshold.value} %`;
  threshold.setAttribute("aria-valuetext", `${threshold.value} percent`);
}

async function openExample() {
  const response = await fetch("example");
  const type = response.headers.get("Content-Type");
  openFirst([new File([await response.blob()], "example", { type })]);
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
      await find(photo, file, file.name, order, others);
    }
  } catch (error) {
    if (order === newest) {
      say("");
      fail(`${file.name}: ${error.message}`);
    }
  }
}

/** Look at the same photo again, with what the detector is now. */
async function findAgain() {
  if (!shown.photo || stream) {
    return;
  }
  const order = ++newest;
  try {
    await find(shown.photo, shown.file, shown.name, order);
  } catch (error) {
    fail(`${shown.name}: ${error.message}`);
  }
}

async function find(photo, file, name, order, others = "") {
  if (!shown.found) {
    drawInstances(reveal(), photo, []);
  }
  say(`Looking at ${name}`);
  const found = await detect(photo, file);
  if (order !== newest) {
    return;
  }
  Object.assign(shown, { photo, file, found, name, pressed: -1, hovered: -1 });
  show();
  say(`${name}: ${photo.width} x ${photo.height} pixels.${others}`);
  element("timing").textContent = found.timing;
}

async function detect(photo, file) {
  await begun;
  if (!detector) {
    throw new Error("without the model no object is found: load the page again");
  }
  return detector.detect(photo, file);
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
  shown.pressed = shown.pressed < shown.instances.length ? shown.pressed : -1;
  shown.hovered = shown.hovered < shown.instances.length ? shown.hovered : -1;
  for (const id of ["save", "save-coco", "save-cut-outs"]) {
    element(id).disabled = id !== "save" && !shown.instances.length;
  }
  if (withList) {
    const summary = summarise(shown.instances);
    element("summary").textContent = summary;
    canvas.setAttribute("aria-label", `${shown.name}: ${summary}`);
    element("table").hidden = shown.instances.length === 0;
    list.show(shown.instances, shown.photo.width * shown.photo.height);
  }
  draw();
}

function draw() {
  const strong = shown.hovered >= 0 ? shown.hovered : shown.pressed;
  drawInstances(reveal(), shown.photo, shown.instances, strong);
  list.mark(shown.pressed, shown.hovered);
}

/** Let an instance stand out until it is pressed again; -1: none. */
function press(index) {
  if (shown.found) {
    shown.pressed = index === shown.pressed ? -1 : index;
    draw();
  }
}

/** Let an instance stand out while a pointer is over it; -1: none. */
function hover(index) {
  if (shown.found && index !== shown.hovered) {
    shown.hovered = index;
    draw();
  }
}

/** Find the instance under a pointer; -1: there is none. */
function findUnder(event) {
  const frame = canvas.getBoundingClientRect();
  const [x, y] = [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
  return shown.photo ? findInstance(shown.instances, y * shown.photo.height, x * shown.photo.width) : -1;
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
      const found = await detect(photo, null);
      if (order !== newest) {
        return;
      }
      Object.assign(shown, { photo, found, name: "camera", file: null });
      const isDue = performance.now() - listed > LIST_MILLISECONDS;
      listed = isDue ? performance.now() : listed;
      show(isDue);
      say("");
      element("timing").textContent = found.timing;
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

function say(text) {
  element("status").textContent = text;
}

function fail(text) {
  element("failure").textContent = text;
  element("failure").hidden = text === "";
}

listen();
const begun = begin();
