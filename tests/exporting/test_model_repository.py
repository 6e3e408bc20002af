"""Folders for TensorFlow Serving and Triton, their messages parsed by others' definitions of them."""

import json
import os
import struct

import numpy as np
import pytest
import tiny_exports
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format

from official_yolact.cli import main
from official_yolact.exporting import model_repository
from official_yolact.exporting import warm_up

FIELD = descriptor_pb2.FieldDescriptorProto
# Of prediction_log.proto, predict.proto and model.proto: fields by name, number and type; `content` is a TensorProto.
MESSAGES = {
    "Log": [("predict_log", 6, "Predict")],
    "Predict": [("request", 1, "Request")],
    "Request": [("model_spec", 1, "Spec"), ("inputs", 2, "Entry*")],
    "Spec": [("name", 1, "string"), ("signature_name", 3, "string")],
    "Entry": [("key", 1, "string"), ("value", 2, "bytes")],
}


def log_class():
    file = descriptor_pb2.FileDescriptorProto(name="log.proto", package="t", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            label = FIELD.LABEL_REPEATED if kind.endswith("*") else FIELD.LABEL_OPTIONAL
            plain = {"string": FIELD.TYPE_STRING, "bytes": FIELD.TYPE_BYTES}.get(kind)
            more = {} if plain else {"type_name": f".t.{kind.rstrip('*')}"}
            message.field.add(
                name=field, number=number, label=label, type=plain or FIELD.TYPE_MESSAGE, **more
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Log"))


def read_requests(path):
    """Read the requests of a TFRecord file: (model, signature, inputs as arrays by name)."""
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    found = []
    for record in tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator():
        request = log_class().FromString(record).predict_log.request
        tensors = {
            entry.key: tf.make_ndarray(tensor_pb2.TensorProto.FromString(entry.value))
            for entry in request.inputs
        }
        found.append((request.model_spec.name, request.model_spec.signature_name, tensors))
    return found


@pytest.fixture
def export(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    tiny_exports.write_onnx(folder / "model.onnx", tiny_exports.INFO.as_dict())
    tiny_exports.write_info(folder, {"model.onnx": "onnx"})
    return folder


def run(*words):
    return main.main(["repository", *map(str, words)])


def test_a_version_for_tensorflow_serving_is_the_saved_model_with_requests_that_warm_it_up(tmp_path, capsys):
    export, output = tmp_path / "export", tmp_path / "served"
    export.mkdir()
    tiny_exports.write_saved_model(export / "saved_model")
    tiny_exports.write_info(export, {"saved_model": "saved_model"})
    assert run(export, "--server", "tf-serving", "--output", output, "--name", "figs", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == [str(output / "figs" / "1")]
    version = output / "figs" / "1"
    (request,) = read_requests(version / "assets.extra" / "tf_serving_warmup_requests")
    assert request[:2] == ("figs", "serving_default")
    assert (request[2]["images"].shape, request[2]["images"].dtype) == ((1, *tiny_exports.SIZE, 3), np.uint8)
    import tensorflow as tf

    found = tf.saved_model.load(str(version)).signatures["serving_default"](
        images=tf.constant(request[2]["images"])
    )
    assert int(found["num_detections"][0]) == 2
    assert run(export, "--server", "tf-serving", "--output", output, "--name", "figs") == 2
    assert "is there: give another --version" in capsys.readouterr().err
    assert run(export, "--server", "tf-serving", "--output", output, "--name", "figs", "--version", 2) == 0
    assert sorted(os.listdir(output / "figs")) == ["1", "2"]


def test_a_long_field_is_written_as_protocol_buffers_have_it():
    content = bytes(70_000)
    record = warm_up.serialize_request("n", "s", {"image_bytes": np.array([content], object)})
    request = log_class().FromString(record).predict_log.request
    assert content in request.inputs[0].value
    assert len(record) > 70_000 > struct.unpack("<H", b"\xff\xff")[0]


def test_the_configuration_for_triton_is_one_and_states_the_tensors_of_the_file(export, tmp_path):
    import onnxruntime
    from tritonclient.grpc import model_config_pb2

    output = tmp_path / "served"
    assert run(export, "--server", "triton", "--output", output, "--name", "figs") == 0
    text = (output / "figs" / "config.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (config.name, config.backend, config.max_batch_size) == ("figs", "onnxruntime", 0)
    path = output / "figs" / "1" / config.default_model_filename
    session = onnxruntime.InferenceSession(os.fspath(path))
    types = {"tensor(float)": model_config_pb2.TYPE_FP32, "tensor(int32)": model_config_pb2.TYPE_INT32}
    (image,) = session.get_inputs()
    (stated,) = config.input
    assert (stated.name, stated.data_type, list(stated.dims)) == (image.name, types[image.type], image.shape)
    arrays = session.run(None, {"images": np.zeros(image.shape, np.float32)})
    found = {
        node.name: (types[node.type], list(array.shape))
        for node, array in zip(session.get_outputs(), arrays, strict=True)
    }
    assert {one.name: (one.data_type, list(one.dims)) for one in config.output} == found
    (warm,) = config.model_warmup
    assert list(warm.inputs["images"].dims) == image.shape


def test_a_configuration_by_hand_stays_and_a_name_is_no_path(export, tmp_path, capsys):
    output = tmp_path / "served"
    (output / "figs").mkdir(parents=True)
    (output / "figs" / "config.pbtxt").write_text("mine")
    words = (export, "--server", "triton", "--output", output, "--name")
    assert run(*words, "figs") == 2
    assert "--force" in capsys.readouterr().err
    assert os.listdir(output / "figs") == ["config.pbtxt"]
    assert run(*words, "../figs") == 2
    assert "--name is '../figs'" in capsys.readouterr().err
    assert run(export, "--server", "tf-serving", "--output", output) == 2
    assert (
        "holds no saved_model, but model.onnx: export it, with --format saved_model"
        in capsys.readouterr().err
    )
    assert run(tmp_path, "--server", "triton", "--output", output) == 2
    assert "is no folder of an export" in capsys.readouterr().err


def test_the_servers_of_the_command_are_those_of_the_library():
    from official_yolact.cli import repository

    assert repository._SERVERS == model_repository.SERVERS
