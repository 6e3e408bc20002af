"""The open inference protocol, spoken by a client that others wrote, and by hand."""

import base64
import json
import struct

import numpy as np
import pytest
import small_runtime
import tritonclient.http as triton
from tritonclient import utils


@pytest.fixture
def client(served):
    with triton.InferenceServerClient(served.address) as one:
        yield one


def _photos(count=2, height=40, width=60):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def test_a_client_of_triton_sees_the_server_and_its_models(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("small")
    assert client.is_model_ready("other", "1")
    assert client.get_server_metadata()["name"] == "official_yolact"
    described = client.get_model_metadata("small", "1")
    assert [one["name"] for one in described["inputs"]] == ["images", "image_bytes"]
    assert "detection_masks" in [one["name"] for one in described["outputs"]]
    assert [one["name"] for one in client.get_model_repository_index()] == ["small", "other"]
    assert not client.is_model_ready("missing")
    assert not client.is_model_ready("small", "7")


@pytest.mark.parametrize("is_binary", [True, False], ids=["binary", "JSON"])
def test_a_client_of_triton_finds_what_the_predictor_finds(client, is_binary):
    photos = _photos(height=12, width=16)
    asked = triton.InferInput("images", list(photos.shape), "UINT8")
    asked.set_data_from_numpy(photos, binary_data=is_binary)
    names = ["detection_boxes", "detection_scores", "detection_classes", "num_detections", "detection_masks"]
    wanted = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in (*names, "detections")]
    answer = client.infer("small", [asked], outputs=wanted, request_id="seven", parameters={"threshold": 0.6})
    assert answer.get_response()["id"] == "seven"
    expected = small_runtime.make_predictor()(list(photos), score_threshold=0.6)
    for row, one in enumerate(expected):
        assert answer.as_numpy("num_detections")[row] == len(one) == 2
        assert (answer.as_numpy("detection_boxes")[row] == one.boxes).all()
        assert (answer.as_numpy("detection_scores")[row] == one.scores).all()
        assert (answer.as_numpy("detection_classes")[row] == one.classes).all()
        assert (answer.as_numpy("detection_masks")[row] == one.masks).all()
        text = answer.as_numpy("detections")[row]
        assert json.loads(text) == json.loads(one.to_json())


def test_a_client_of_triton_sends_files(client, picture):
    files = [picture(30, 50), picture(44, 33, "PNG")]
    asked = triton.InferInput("image_bytes", [2], "BYTES")
    asked.set_data_from_numpy(np.array(files, np.object_))
    answer = client.infer("other", [asked], model_version="1")
    assert [json.loads(text)["width"] for text in answer.as_numpy("detections")] == [50, 33]
    assert answer.as_numpy("detection_scores").dtype == np.float32
    # Masks of pictures of two sizes are no tensor; without being asked for, they are left out.
    assert answer.as_numpy("detection_masks") is None
    with pytest.raises(utils.InferenceServerException, match="differ in size"):
        client.infer("other", [asked], outputs=[triton.InferRequestedOutput("detection_masks")])


def test_nothing_found_has_the_shape_of_nothing(client):
    asked = triton.InferInput("images", [1, 8, 8, 3], "UINT8")
    asked.set_data_from_numpy(_photos(1, 8, 8))
    answer = client.infer("small", [asked], parameters={"threshold": 1.0})
    assert answer.as_numpy("detection_boxes").shape == (1, 0, 4)


def test_a_client_of_triton_gets_the_reason(client):
    asked = triton.InferInput("image_bytes", [1], "BYTES")
    asked.set_data_from_numpy(np.array([b"no picture"], np.object_))
    with pytest.raises(utils.InferenceServerException, match="no known image format") as refused:
        client.infer("small", [asked])
    assert refused.value.status() == "415"
    with pytest.raises(utils.InferenceServerException, match="there is no model 'missing'"):
        client.infer("missing", [asked])


def _tensor(**changes):
    return {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 3], "data": [0] * 6, **changes}


def test_json_alone_is_enough(served, picture):
    data = picture(20, 30)
    text = base64.b64encode(data).decode()
    content = {"inputs": [{"name": "image_bytes", "datatype": "BYTES", "shape": [1], "data": [text]}]}
    answer = served.client.post("/v2/models/small/infer", json=content).json()
    outputs = {one["name"]: one for one in answer["outputs"]}
    assert (answer["model_name"], answer["model_version"]) == ("small", "1")
    assert outputs["num_detections"] == {
        "name": "num_detections", "datatype": "INT32", "shape": [1], "data": [3],
    }  # fmt: skip
    assert outputs["detection_boxes"]["shape"] == [1, 3, 4]
    assert outputs["detections"]["data"] == [small_runtime.make_predictor()(data).to_json()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no JSON object"),
        ({}, "`inputs`"),
        ({"inputs": []}, "`inputs`"),
        ({"inputs": ["images"]}, "without a name"),
        ({"inputs": [_tensor(), _tensor()]}, "two of one name"),
        ({"inputs": [_tensor(name="pixels")]}, "expected either images or image_bytes"),
        ({"inputs": [_tensor(datatype="FP32")]}, "datatype is 'FP32'"),
        ({"inputs": [_tensor(datatype=["UINT8"])]}, "datatype"),
        ({"inputs": [_tensor(shape=[1, 1, 2])]}, "6 elements"),
        ({"inputs": [_tensor(shape=[-1, 1, 2, 3])]}, "whole numbers"),
        ({"inputs": [_tensor(shape=[6])]}, "expected UINT8 [B, H, W, 3]"),
        ({"inputs": [_tensor(shape=[0, 1, 2, 3], data=[])]}, "expected UINT8 [B, H, W, 3]"),
        ({"inputs": [_tensor(shape=[1, 1, 40_001, 3], data=[0] * 120_003)]}, "pixels are more than"),
        ({"inputs": [_tensor(shape=[70, 1, 1, 3], data=[0] * 210)]}, "70 pictures"),
        ({"inputs": [_tensor(data=[0, 1, 2, 3, 4, 256])]}, "0 to 255"),
        ({"inputs": [_tensor(data=[0, 1, 2, 3, 4, 10**30])]}, "0 to 255"),
        ({"inputs": [_tensor(data=[0.5] * 6)]}, "0 to 255"),
        ({"inputs": [_tensor(data=[True] * 6)]}, "0 to 255"),
        ({"inputs": [_tensor(data=[[0], [1, 2], 3])]}, "0 to 255"),
        ({"inputs": [_tensor(data="AAAA")]}, "no `data`"),
        ({"inputs": [_tensor(parameters={"binary_data_size": 9})]}, "0 bytes are there"),
        ({"inputs": [_tensor(parameters=3)]}, "no JSON object"),
        ({"inputs": [_tensor(datatype="BYTES", shape=[1], data=["not base64!"])]}, "base64"),
        ({"inputs": [_tensor(datatype="BYTES", shape=[2], data=["AAAA"])]}, "1 elements"),
        ({"inputs": [_tensor()], "outputs": {}}, "`outputs`"),
        ({"inputs": [_tensor()], "outputs": [{"name": "boxes"}]}, "no output 'boxes'"),
        ({"inputs": [_tensor()], "parameters": {"threshold": "high"}}, "score_threshold"),
        ({"inputs": [_tensor()], "parameters": {"max_detections": 0}}, "max_detections"),
        ({"inputs": [_tensor()], "parameters": {"masks": ["rle"]}}, "masks"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(served, content, message):
    answer = served.client.post("/v2/models/small/infer", json=content)
    assert answer.status_code in (400, 413)
    assert message in answer.json()["error"]


def _send(served, header, binary, length=None):
    text = json.dumps(header).encode()
    headers = {"Inference-Header-Content-Length": str(len(text)) if length is None else length}
    return served.client.post("/v2/models/small/infer", content=text + binary, headers=headers)


def _bytes_tensor(size):
    entry = {
        "name": "image_bytes",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": size},
    }
    return {"inputs": [entry]}


@pytest.mark.parametrize("length", ["9999999", "-1", "x", "1e2"])
def test_a_wrong_length_of_the_json_is_refused(served, length):
    assert "expected a number" in _send(served, {}, b"", length).json()["error"]


@pytest.mark.parametrize(
    ("binary", "size", "message"),
    [
        (b"abc", 3, "the length of an element"),
        (struct.pack("<I", 100) + b"abc", 7, "the length of an element"),
        (struct.pack("<I", 0) + b"ab", 4, "belong to none"),
        (struct.pack("<I", 3) + b"abc", 7, "no known image format"),
        (b"", "7", "binary_data_size is '7'"),
        (b"", True, "binary_data_size is True"),
    ],
    ids=["no length", "too long", "too many", "no picture", "text", "truth"],
)
def test_binary_tensors_that_do_not_fit_are_refused(served, binary, size, message):
    assert message in _send(served, _bytes_tensor(size), binary).json()["error"]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": 1, "a": 2}', "NaN", "\ud800"])
def test_what_is_no_json_is_refused(served, text):
    answer = served.client.post("/v2/models/small/infer", content=text.encode("utf-8", "surrogatepass"))
    assert answer.status_code == 400
