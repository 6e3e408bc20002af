/**
 * Computes with the model, so that the page stays responsive.
 *
 * Messages: {kind: "load", key, model, size, input} and {kind: "detect", key, picture}; answers, with the key of
 * the message: {kind: "ready", threads}, {kind: "found", found, milliseconds}, {kind: "failed", message}, and
 * without a key {kind: "progress", done}.
 *
 * This is a classic worker: LiteRT.js loads its WebAssembly with importScripts, which a module worker refuses.
 */
"use strict";

const WASM = new URL("litert/wasm/", self.location.href).href;
const OUTPUTS = [
  "detection_boxes",
  "detection_scores",
  "detection_mask_scores",
  "detection_classes",
  "num_detections",
  "detection_masks",
];

let litert;
let model;
let input;
let lastLine = "";

self.onmessage = async ({ data }) => {
  try {
    await (data.kind === "load" ? load(data) : detect(data));
  } catch (error) {
    const said = lastLine ? ` (${lastLine})` : "";
    self.postMessage({ kind: "failed", key: data.key, message: `${error.message || error}${said}` });
  }
};

async function load(settings) {
  input = settings.input;
  litert = await import("./litert/index.js");
  const bytes = await fetchModel(settings.model, settings.size);
  // The library would hold a graphics device that nothing is computed on.
  Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => null } });
  const { liteRtWasm } = await loadWasm();
  model = await litert.loadAndCompile(bytes, { accelerator: "wasm" });
  self.postMessage({ kind: "ready", key: settings.key, threads: liteRtWasm.getThreadCount() });
}

/** Load the WebAssembly with threads, which need a page that is isolated from others, or without. */
async function loadWasm() {
  if (self.crossOriginIsolated && navigator.hardwareConcurrency > 1) {
    try {
      return await start("litert_wasm_threaded_internal.js", { threads: true });
    } catch (error) {
      console.info(`without threads: ${error.message}`);
    }
  }
  return start("", {});
}

function start(script, options) {
  // What Emscripten cannot find out in a worker: where its files are, and what a further thread runs.
  self.Module = {
    locateFile: (name) => WASM + name,
    mainScriptUrlOrBlob: script && WASM + script,
    print: keepLine,
    printErr: keepLine,
  };
  return litert.loadLiteRt(WASM, options);
}

/** Keep what the library writes of faults, which tells more than its exceptions. */
function keepLine(line) {
  if (!/^(INFO|VERBOSE|WARNING)\b/.test(line)) {
    lastLine = String(line);
  }
}

async function fetchModel(name, size) {
  const response = await fetch(name);
  if (!response.ok) {
    throw new Error(`${name}: the server answers ${response.status}`);
  }
  const bytes = new Uint8Array(size);
  const reader = response.body.getReader();
  let done = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (done + part.value.length > size) {
      throw new Error(`${name}: has more than the ${size} bytes that were exported: copy the folder anew`);
    }
    bytes.set(part.value, done);
    done += part.value.length;
    self.postMessage({ kind: "progress", done });
  }
  if (done < size) {
    throw new Error(`${name}: has ${done} of ${size} bytes: copy the folder anew`);
  }
  return bytes;
}

async function detect({ key, picture }) {
  const { resizePicture } = await import("./resize.js");
  const { fit } = await import("./frames.js");
  const started = performance.now();
  const frame = fit([picture.height, picture.width], input);
  const images = new litert.Tensor(resizePicture(picture, frame), [1, ...frame.input, 3]);
  const resized = performance.now();
  let results;
  try {
    results = await model.run({ images });
  } finally {
    images.delete();
  }
  const found = {};
  for (const name of OUTPUTS) {
    if (!(name in results)) {
      throw new Error(`the model has no output ${name}`);
    }
    // A copy: the tensor's own memory is the library's.
    found[name] = results[name].toTypedArray().slice();
    results[name].delete();
  }
  const milliseconds = { resize: resized - started, network: performance.now() - resized };
  const buffers = Object.values(found).map((array) => array.buffer);
  self.postMessage({ kind: "found", key, found, milliseconds }, buffers);
}
