"""`yolact export`, every format and precision of a small model in one run, and what it refuses."""

import base64
import hashlib
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

import official_yolact
from official_yolact.cli import main
from official_yolact.exporting import model_repository
from official_yolact.exporting import onnx_file
from official_yolact.exporting import parity
from official_yolact.exporting import warm_up
from official_yolact_runtime import export_info

FILES = [
    "saved_model",
    "model.tflite",
    "model_float16.tflite",
    "model_dynamic.tflite",
    "model_int8.tflite",
    "model.onnx",
]


def run(*arguments):
    return main.main(["export", *map(str, arguments)])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Four photos of smooth colours."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for index in range(4):
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        small.resize((96 + index, 70), Image.Resampling.BICUBIC).save(folder / f"{index}.jpg")
    return folder


@pytest.fixture(scope="module")
def exported(tiny_model_dir, pictures, tmp_path_factory):
    """The folder of an export of everything, and what the command has printed."""
    folder = tmp_path_factory.mktemp("exports") / "tiny"
    arguments = ["--quantize", "none,float16,dynamic,int8", "--calibration", pictures]
    assert run(tiny_model_dir, "--output", folder, *arguments) == 0
    return folder


@pytest.fixture(scope="module")
def info(exported):
    return json.loads((exported / "export.json").read_text())


def test_every_format_and_precision_is_there_and_recorded(exported, info):
    assert sorted(os.listdir(exported)) == sorted([*FILES, "export.json"])
    assert list(info["files"]) == FILES
    for name, entry in info["files"].items():
        if name != "saved_model":
            content = (exported / name).read_bytes()
            assert (entry["size"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert info["categories"] == [{"id": 3, "name": "fig"}, {"id": 5, "name": "date"}]
    assert (info["input_size"], info["grid"]) == ([64, 64], [16, 16])
    assert info["detection"]["max_detections"] == 100
    assert info["files"]["model_int8.tflite"]["size"] < 0.5 * info["files"]["model.tflite"]["size"]


@pytest.mark.parametrize("name", ["saved_model", "model.tflite", "model.onnx", "model.onnx in OpenVINO"])
def test_files_in_float32_find_what_the_model_finds(info, name):
    found = info["parity"][name]
    assert found["pictures"] == 4
    assert found["detections"] > 0
    assert found["missing"] == found["extra"] == 0
    assert found["box_px"] <= 0.05
    assert found["mask_iou"] >= 0.999


def test_each_file_says_what_its_model_is(exported, info):
    onnx = pytest.importorskip("onnx")
    own = {key: value for key, value in info.items() if key not in ("files", "parity")}
    for name in FILES[1:5]:
        with zipfile.ZipFile(exported / name) as archive:
            assert json.loads(archive.read("export.json")) == own
    model = onnx.load(exported / "model.onnx")
    (entry,) = model.metadata_props
    assert (entry.key, json.loads(entry.value)) == ("export.json", own)
    extra = exported / "saved_model" / "assets.extra" / "export.json"
    assert json.loads(extra.read_text()) == own


def test_the_only_input_of_onnx_is_images(exported):
    import onnx

    graph = onnx.load(exported / "model.onnx").graph
    assert [value.name for value in graph.input] == ["images"]
    assert len(graph.output) == 6


def read_graph(path):
    from tensorflow.lite.tools import flatbuffer_utils

    return flatbuffer_utils.read_model(str(path))


@pytest.mark.parametrize("name", FILES[1:5])
def test_litert_files_are_of_built_in_operations(exported, name):
    model = read_graph(exported / name)
    assert [code.customCode for code in model.operatorCodes if code.customCode] == []
    (signature,) = model.signatureDefs
    tensors = model.subgraphs[0].tensors
    for entry in (*signature.inputs, *signature.outputs):
        assert tensors[entry.tensorIndex].name == entry.name
    assert len({entry.tensorIndex for entry in signature.outputs}) == 6


def test_int8_holds_the_network_and_leaves_the_decode_in_float(exported):
    from ai_edge_litert import schema_py_generated as schema

    model = read_graph(exported / "model_int8.tflite")
    kinds = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    graph = model.subgraphs[0]
    convolutions, decode = [], []
    for operation in graph.operators:
        first = graph.tensors[operation.inputs[0]]
        output = graph.tensors[operation.outputs[0]]
        is_last = b"head/box_conv" in output.name
        if kinds[operation.opcodeIndex] == schema.BuiltinOperator.CONV_2D and not is_last:
            convolutions.append(first.type)
        if is_last or b"decode/" in output.name:
            decode.append(output.type)
    assert set(convolutions) == {schema.TensorType.INT8}
    assert decode
    assert schema.TensorType.INT8 not in decode


def test_tensorflow_alone_loads_the_saved_model(exported, tiny_model_dir, pictures, tmp_path):
    script = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("official", "official_yolact", "official_yolact_runtime", "tf_keras", "orbit"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocker())
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
encoded = open(sys.argv[2], "rb").read()
pixels = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE")[tf.newaxis]
classes = model.signatures["classes"]()
assert classes["names"].numpy().tolist() == [b"fig", b"date"]
assert classes["ids"].numpy().tolist() == [3, 5]
found = {
    "serving_default": model.signatures["serving_default"](images=tf.tile(pixels, [2, 1, 1, 1])),
    "image_bytes": model.signatures["image_bytes"](image_bytes=tf.constant([encoded])),
    "full_masks": model.signatures["full_masks"](images=pixels),
}
np.savez(sys.argv[3], **{f"{key}/{name}": value for key, row in found.items() for name, value in row.items()})
"""
    photo, output = str(pictures / "0.jpg"), str(tmp_path / "found.npz")
    words = [sys.executable, "-c", script, str(exported / "saved_model"), photo, output]
    subprocess.run(words, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    predictor = official_yolact.load(tiny_model_dir)
    ((_, image, row),) = predictor.detect([(None, predictor.read(photo))])
    detections = predictor.finish(image, row, 0.0, 100)
    with np.load(output) as found:
        for name in ("detection_boxes", "detection_scores", "detection_classes", "detection_masks"):
            np.testing.assert_array_equal(found[f"image_bytes/{name}"][0], row[name])
            np.testing.assert_allclose(found[f"serving_default/{name}"][1], row[name], atol=1e-5)
        best = np.argsort(-row["detection_mask_scores"][: len(detections)], kind="stable")
        np.testing.assert_array_equal(found["full_masks/detection_masks"][0][best], detections.masks)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--quantize", "int8"], "needs --calibration PHOTOS", id="no photos"),
        pytest.param(
            ["--quantize", "int8", "--calibration", "none"], "none: no such picture", id="no folder"
        ),
        pytest.param(["--quantize", "int8", "--calibration", "."], "holds no picture", id="no photo in it"),
        pytest.param(["--calibration", "blank.png"], "no effect without --quantize int8", id="no int8"),
        pytest.param(["--quantize", "int8", "--calibration", "blank.png"], "are blank", id="blank photos"),
        pytest.param(
            ["--format", "onnx", "--quantize", "float16"], "has float32 alone", id="onnx in float16"
        ),
        pytest.param(["--format", "web", "--quantize", "none,float16"], "web has one", id="page in two"),
        pytest.param(["--format", "web", "--litert-js", "none"], "has no @litertjs/core", id="no LiteRT.js"),
        pytest.param(
            ["--litert-js", "none"], "no effect without --format web", id="LiteRT.js without a page"
        ),
        pytest.param(["--format", "coreml"], "'coreml' does not exist", id="unknown format"),
        pytest.param(["--format", "onnx,onnx"], "onnx is named twice", id="format twice"),
        pytest.param(["--quantize", "int4"], "'int4' does not exist", id="unknown precision"),
        pytest.param(["--format", ","], "no format is named", id="no format"),
        pytest.param(["--images", "none"], "none: no such picture or folder", id="no images"),
        pytest.param(["--annotations", "a.json"], "belong to --images", id="annotations alone"),
    ],
)
def test_each_refusal_is_one_message_and_writes_nothing(
    tiny_model_dir, tmp_path, monkeypatch, capsys, arguments, says
):
    monkeypatch.chdir(tmp_path)
    os.mkdir("empty")
    if "." in arguments:
        monkeypatch.chdir(tmp_path / "empty")
    if "blank.png" in arguments:
        Image.new("RGB", (32, 32)).save("blank.png")
    before = sorted(os.listdir("."))
    assert run(tiny_model_dir, "--output", "out", *arguments) == 2
    err = capsys.readouterr().err
    assert err.count("yolact: ") == 1
    assert says in err
    assert sorted(os.listdir(".")) == before


@pytest.mark.parametrize("name", [".", "saved_model", "model.tflite", "model.onnx"])
def test_an_export_is_not_exported_again(exported, tmp_path, capsys, name):
    assert run(exported / name, "--output", tmp_path / "out", "--format", "onnx") == 2
    assert "export the model directory" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_a_file_beyond_its_limits_is_not_left(tiny_model_dir, tmp_path, monkeypatch, capsys):
    strict = parity.Limits(0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 1.0)
    monkeypatch.setitem(parity.LIMITS, "float32", strict)
    folder = tmp_path / "out"
    assert run(tiny_model_dir, "--output", folder, "--format", "saved_model", "--json") == 1
    out, err = capsys.readouterr()
    assert "saved_model differs from the model: box_px differs" in err
    assert list(json.loads(out.splitlines()[-1])["faults"]) == ["saved_model"]
    assert os.listdir(tmp_path) == []


def test_an_interrupted_export_leaves_nothing(tiny_model_dir, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_file, "convert", interrupt)
    assert run(tiny_model_dir, "--output", tmp_path / "out", "--format", "saved_model,onnx") == 130
    assert capsys.readouterr().err.endswith("yolact: interrupted\n")
    assert os.listdir(tmp_path) == []


def read_client(server):
    """The client of the page on other servers, as people copy it."""
    page = pathlib.Path(__file__).resolve().parents[2] / "docs" / "serving-elsewhere.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (code,) = [block for block in blocks if server in block]
    return code


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers as TensorFlow Serving's REST interface does: base64 in, the outputs of the signature out."""

    model = None

    def do_POST(self):
        assert self.path == "/v1/models/nuts:predict"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ((name, values),) = body["inputs"].items()
        import tensorflow as tf

        files = tf.constant([base64.b64decode(value["b64"]) for value in values])
        found = self.model.signatures[body["signature_name"]](**{name: files})
        content = json.dumps(
            {"outputs": {key: value.numpy().tolist() for key, value in found.items()}}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def test_the_client_for_tensorflow_serving_asks_what_the_saved_model_answers(
    exported, pictures, tiny_model_dir, tmp_path, monkeypatch
):
    import tensorflow as tf

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "localhost")
    (tmp_path / "photo.jpg").write_bytes((pictures / "1.jpg").read_bytes())
    Answer.model = tf.saved_model.load(str(exported / "saved_model"))
    with http.server.HTTPServer(("localhost", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        scope = {}
        exec(read_client(":8501").replace(":8501", f":{server.server_port}"), scope)
        thread.join()
    expected = official_yolact.load(tiny_model_dir)("photo.jpg", score_threshold=0.0)
    assert scope["number"] == len(expected.boxes)
    np.testing.assert_allclose(scope["boxes"], expected.boxes, atol=0.01)
    np.testing.assert_allclose(scope["scores"], expected.scores, atol=1e-4)


def test_the_client_for_triton_sends_what_the_onnx_file_takes(exported, pictures, tmp_path, monkeypatch):
    import onnxruntime
    import tritonclient.http

    class Client:
        def __init__(self, address):
            assert address == "localhost:8000"

        def infer(self, name, inputs):
            (tensor,) = inputs
            values = np.frombuffer(tensor._get_binary_data(), np.float32).reshape(tensor.shape())
            self.found = session.run(None, {tensor.name(): values})
            return self

        def as_numpy(self, name):
            return self.found[[output.name for output in session.get_outputs()].index(name)]

    session = onnxruntime.InferenceSession(str(exported / "model.onnx"))
    monkeypatch.setattr(tritonclient.http, "InferenceServerClient", Client)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes((pictures / "2.jpg").read_bytes())
    (tmp_path / "exported").symlink_to(exported)
    scope = {}
    exec(read_client(":8000"), scope)
    expected = official_yolact.load(exported / "model.onnx", runtime="onnx")("photo.jpg", score_threshold=0.0)
    np.testing.assert_allclose(scope["boxes"], expected.boxes, atol=0.01)
    np.testing.assert_allclose(scope["scores"], expected.scores, atol=1e-5)
    stated = model_repository.format_config(export_info.ExportInfo.load(str(exported)).model, "nuts")
    shapes = {output.name: output.shape for output in session.get_outputs()}
    for name, dims in re.findall(r'^output \{ name: "(\w+)" .* dims: \[ (.*) \] \}$', stated, re.MULTILINE):
        assert shapes.pop(name) == [int(side) for side in dims.split(", ")]
    assert shapes == {}


def test_the_requests_that_warm_a_server_up_are_answered_by_their_signatures(exported):
    import tensorflow as tf

    info = export_info.ExportInfo.load(str(exported)).model
    found = warm_up.read_signatures(str(exported / "saved_model"))
    assert found == {
        "classes": [],
        "full_masks": ["images"],
        "image_bytes": ["image_bytes"],
        "serving_default": ["images"],
    }
    requests = warm_up.make_requests(str(exported / "saved_model"), info, "nuts")
    path = exported.parent / "requests"
    path.write_bytes(requests)
    assert sum(1 for _ in tf.data.TFRecordDataset(str(path))) == 3
