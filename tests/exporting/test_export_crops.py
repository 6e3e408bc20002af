"""Models that cut masks at the size of the photo and keep its proportions: so does every file of an export."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tiny_exports
import tiny_model
from PIL import Image

import official_yolact
from official_yolact.cli import main
from official_yolact.evaluation import coco_evaluator
from official_yolact_runtime import export_info
from official_yolact_runtime import run_lengths

FILES = ["saved_model", "model.tflite", "model.onnx"]


@pytest.fixture(scope="module")
def photo():
    small = Image.fromarray(np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return np.asarray(small.resize((90, 130), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = pathlib.Path(tiny_model.write(tmp_path_factory.mktemp("model")))
    params = (folder / "params.yaml").read_text()
    assert params.count("crop_at: prototypes") == 1
    assert params.count("keep_aspect: false") == 1
    params = params.replace("crop_at: prototypes", "crop_at: image")
    (folder / "params.yaml").write_text(params.replace("keep_aspect: false", "keep_aspect: true"))
    return folder


@pytest.fixture(scope="module")
def exported(model_dir, photo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    Image.fromarray(photo).save(folder / "photo.png")
    arguments = ["--output", str(folder / "out"), "--images", str(folder / "photo.png")]
    assert main.main(["export", str(model_dir), "--format", "saved_model,litert,onnx", *arguments]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def expected(model_dir, photo):
    return official_yolact.load(model_dir)(photo, score_threshold=0.0)


def test_masks_end_at_the_pixel_where_their_boxes_do(model_dir, expected, photo):
    cells = np.full(2, max(photo.shape) / 16)  # of the canvas, which is a square
    whole = official_yolact.load(model_dir, detection_generator={"crop_masks": False})(photo, 0.0)
    assert len(expected) == len(whole) > 50
    for mask, box, uncut in zip(expected.masks, expected.boxes, whole.masks, strict=True):
        top, left, bottom, right = box + np.concatenate([-cells, cells])
        rows, columns = (np.arange(count) + 0.5 for count in photo.shape[:2])
        inside = ((rows >= top) & (rows < bottom))[:, np.newaxis] & (columns >= left) & (columns < right)
        assert (mask ^ (uncut & inside)).sum() <= 1
    assert sum(uncut.sum() > mask.sum() for mask, uncut in zip(expected.masks, whole.masks, strict=True)) > 20


@pytest.mark.parametrize("name", FILES)
def test_each_file_cuts_its_masks_where_the_model_does(exported, expected, photo, name):
    info = json.loads((exported / "export.json").read_text())
    assert (info["format_version"], info["detection"]["crop_at"]) == (2, "image")
    assert info["keep_aspect"] is True
    assert info["parity"][name]["mask_iou"] >= 0.999
    found = official_yolact.load(exported / name)(photo, score_threshold=0.0)
    assert len(found) == len(expected)
    for mask, box in zip(found.masks, found.boxes, strict=True):
        same = np.abs(expected.boxes - box).max(axis=1) < 0.01
        assert min((mask ^ other).sum() for other in expected.masks[same]) <= 2


def test_full_masks_of_a_saved_model_are_cut(exported, photo):
    predictor = official_yolact.load(exported / "saved_model")
    ((_, image, row),) = predictor.detect([(None, photo)])
    detections = predictor.finish(image, row, 0.0, 100)
    full = tf.saved_model.load(str(exported / "saved_model")).signatures["full_masks"]
    masks = full(images=tf.constant(photo[np.newaxis]))["detection_masks"].numpy()[0]
    best = np.argsort(-row["detection_mask_scores"][: len(detections)], kind="stable")
    np.testing.assert_array_equal(masks[best], detections.masks)


def test_an_evaluation_measures_the_masks_that_a_prediction_shows(model_dir, expected, photo):
    predictor = official_yolact.load(model_dir)
    ((_, _, row),) = predictor.detect([(None, photo)])
    arrays = {name: value[np.newaxis] for name, value in row.items()}
    evaluator = coco_evaluator.CocoEvaluator("", predictor.categories)
    evaluator.update(np.array([7]), arrays.pop("image_info"), np.ones(1, np.float32), arrays)
    measured = sorted(one["segmentation"]["counts"] for one in evaluator.mask_results)
    encoded = run_lengths.encode_windows(expected.windows, *photo.shape[:2])
    assert measured == sorted(rle["counts"] for rle in encoded)


def test_an_option_cuts_a_stored_model_elsewhere_and_an_export_refuses(exported, model_dir, tmp_path, capsys):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    words = [str(tmp_path / "a.png"), "--output", str(tmp_path / "out"), "--crop-at", "prototypes"]
    assert main.main(["predict", str(model_dir), *words]) == 0
    assert main.main(["predict", str(exported / "model.onnx"), *words, "--force"]) == 2
    assert (
        "crop_at cannot be 'prototypes' in an export, which was made with 'image'" in capsys.readouterr().err
    )


def describe(**detection):
    known = tiny_exports.INFO.as_dict()
    return {**known, "detection": {**known["detection"], **detection}}


def test_an_export_without_the_key_cuts_on_the_grid_and_is_read_by_older_programs():
    info = export_info.ModelInfo.parse(describe(), "export.json")
    assert (info.crop_cells, info.read_setting("crop_at")) == (None, "prototypes")
    assert info.as_dict()["format_version"] == 1
    assert info.keep_aspect is False
    wide = export_info.ModelInfo.parse({**describe(), "keep_aspect": True}, "export.json")
    assert (wide.keep_aspect, wide.as_dict()["format_version"]) == (True, 2)
    cut = export_info.ModelInfo.parse(describe(crop_at="image", crop_padding=0.5), "export.json")
    assert cut.crop_cells == 0.5
    assert cut.as_dict()["format_version"] == 2
    whole = export_info.ModelInfo.parse(
        describe(crop_at="image", crop_padding=1, crop_masks=False), "export.json"
    )
    assert whole.crop_cells is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"crop_at": "photo"}, "crop_at is 'photo', expected one of prototypes, image"),
        ({"crop_at": "image"}, "crop_padding is None, expected a number"),
        ({"crop_at": "image", "crop_padding": -1}, "crop_padding is -1, expected a number"),
    ],
    ids=["place", "no padding", "negative"],
)
def test_a_malformed_place_is_named(change, says):
    with pytest.raises(ValueError, match=f"export.json: {says}.*: export the model again"):
        export_info.ModelInfo.parse(describe(**change), "export.json")
