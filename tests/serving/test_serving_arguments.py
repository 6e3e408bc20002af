import copy
import io
import pathlib
import pickle
from concurrent import futures

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from official_yolact.serving import loading

GOOD = np.zeros((2, 64, 64, 3), np.float32)


@pytest.mark.parametrize(
    "images",
    [
        pytest.param(GOOD[0], id="rank 3"),
        pytest.param(GOOD[..., 0], id="no channels"),
        pytest.param(GOOD[..., :1], id="gray"),
        pytest.param(np.zeros((1, 64, 64, 4), np.float32), id="four channels"),
        pytest.param(np.zeros((1, 96, 64, 3), np.float32), id="another size"),
        pytest.param(np.zeros((1, 1, 1, 3), np.float32), id="tiny"),
        pytest.param(GOOD[:0], id="no image"),
        pytest.param(GOOD[np.newaxis], id="rank 5"),
        pytest.param(np.float32(1), id="scalar"),
        pytest.param([], id="empty list"),
    ],
)
def test_raw_outputs_of_another_shape_are_refused_with_the_expected_one(fake, network, images):
    with pytest.raises(ValueError, match=r"images are float\d\d .*: expected float32 \[B, 64, 64, 3\]"):
        fake.raw_outputs(images)
    assert network.calls == []


@pytest.mark.parametrize(
    "images",
    [
        pytest.param(GOOD.astype(np.uint8), id="pixels"),
        pytest.param(GOOD.astype(np.int64), id="whole numbers"),
        pytest.param(GOOD.astype(bool), id="truth values"),
        pytest.param(GOOD.astype(object), id="objects"),
        pytest.param("photo.jpg", id="path"),
        pytest.param(None, id="nothing"),
        pytest.param({"images": GOOD}, id="dict"),
    ],
)
def test_raw_outputs_of_another_type_are_refused(fake, images):
    with pytest.raises(TypeError, match=r"expected float32 \[B, 64, 64, 3\], normalised"):
        fake.raw_outputs(images)


def test_raw_outputs_of_a_ragged_list_are_refused(fake):
    with pytest.raises(ValueError, match="no array"):
        fake.raw_outputs([[1.0], [1.0, 2.0]])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300], ids=["no number", "infinite", "huge"])
def test_raw_outputs_of_what_is_not_finite_name_the_place(fake, value):
    images = GOOD.astype(np.float64)
    images[1, 2, 3, 0] = value
    with pytest.raises(ValueError, match=r"images have (nan|inf) at \[1, 2, 3, 0\]"):
        fake.raw_outputs(images)


def test_raw_outputs_take_arrays_and_tensors_of_any_floating_type(fake):
    expected = fake.raw_outputs(GOOD)
    for images in (GOOD.astype(np.float64), GOOD.astype(np.float16), tf.constant(GOOD), GOOD.tolist()):
        np.testing.assert_array_equal(fake.raw_outputs(images)["cls_outputs"], expected["cls_outputs"])


@pytest.mark.parametrize(
    "value",
    [float("nan"), -0.1, 1.5, float("inf"), 2, 10**400],
    ids=["no number", "negative", "above one", "infinite", "two", "beyond floats"],
)
def test_a_threshold_out_of_its_range_is_refused(fake, bright, value):
    with pytest.raises(ValueError, match="score_threshold is .*: expected a number from 0 to 1"):
        fake(bright, score_threshold=value)


@pytest.mark.parametrize("value", ["0.3", None, True, [0.3], 1j])
def test_a_threshold_that_is_no_number_is_refused(fake, bright, value):
    with pytest.raises(TypeError, match="score_threshold is .*: expected a number from 0 to 1"):
        fake(bright, score_threshold=value)


def test_a_limit_of_detections_is_a_whole_number_of_at_least_one(fake, bright):
    for value in (-1, 0):
        with pytest.raises(ValueError, match=f"max_detections is {value}: expected at least 1"):
            fake(bright, max_detections=value)
    for value in (True, 2.0, "5", None, float("nan")):
        with pytest.raises(TypeError, match="max_detections is .*: expected a whole number"):
            fake(bright, max_detections=value)
    for value in (10**400, np.int64(7)):
        assert len(fake(bright, max_detections=value)) == 1


@pytest.mark.parametrize("value", [True, 1.0, "2", None])
def test_a_batch_size_that_is_no_whole_number_is_refused(value):
    with pytest.raises(TypeError, match="batch_size is .*: expected a whole number, 1 or more"):
        loading.load("anywhere", batch_size=value)
    with pytest.raises(ValueError, match="batch_size is 0: expected at least 1"):
        loading.load("anywhere", batch_size=0)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param(
            io.BytesIO(b"x"), r"a BytesIO: expected a path.*give its bytes: \.read\(\)", id="open file"
        ),
        pytest.param({"image": 1}, "source is a dict: expected a path", id="dict"),
        pytest.param({1, 2}, "source is a set", id="set"),
        pytest.param(None, r"source is None \(NoneType\)", id="nothing"),
        pytest.param(7, r"source is 7 \(int\)", id="number"),
        pytest.param(bytearray(b"x"), r"a bytearray.*give bytes\(", id="bytearray"),
        pytest.param(Image.new("RGB", (2, 2)), "numpy.asarray", id="Pillow image"),
        pytest.param([b"\xff\xd8", None], "source 1 of the list is None", id="nothing in a list"),
        pytest.param([["a.jpg"], "b.jpg"], "source 0 of the list is a list", id="list in a list"),
    ],
)
def test_what_is_no_source_of_a_picture_is_named_with_a_cure(fake, source, says):
    with pytest.raises(TypeError, match=says):
        fake(source)


@pytest.mark.parametrize(
    "path", [b"photo.jpg", b"/data/a b.PNG", "föto.webp".encode()], ids=["name", "path", "umlaut"]
)
def test_bytes_that_are_a_path_are_told_apart_from_a_file(fake, path):
    with pytest.raises(
        ValueError, match="looks like a path: give it as text, '.*photo.jpg|looks like a path"
    ):
        fake(path)


def test_names_that_no_file_can_have_are_named(fake, tmp_path):
    for name in ("a\0.jpg", ""):
        with pytest.raises(ValueError, match="no file can have this name"):
            fake(name)
    with pytest.raises(ValueError, match="0 bytes"):
        fake(b"")
    with pytest.raises(FileNotFoundError, match="none.jpg: no such picture"):
        fake(pathlib.Path(tmp_path / "none.jpg"))


def test_threads_get_what_they_would_get_one_after_another(fake, bright, dark):
    pictures = [bright, dark, bright[:20], dark[:, :9]] * 6
    with futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(fake, pictures))  # the network is traced in this rush, too
    for picture, found in zip(pictures, together, strict=True):
        expected = fake(picture)
        assert found.names == expected.names
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)
        np.testing.assert_array_equal(found.masks, expected.masks)


def test_a_predictor_says_that_it_cannot_be_pickled_and_detections_can(fake, bright):
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"call official_yolact\.load\(DIRECTORY\) in each process"):
            attempt(fake)
    found = fake(bright)
    again = pickle.loads(pickle.dumps(found))
    assert again.to_json() == found.to_json()
    np.testing.assert_array_equal(again.image, found.image)
