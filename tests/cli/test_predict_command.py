import json

import clips
import numpy as np
import pytest
from PIL import Image

from official_yolact.cli import main
from official_yolact_runtime import run_lengths


def predict(*arguments):
    return main.main(["predict", *map(str, arguments)])


def test_pictures_and_predictions_are_written(tiny_model_dir, photos, tmp_path, capsys):
    output = tmp_path / "out"
    arguments = [tiny_model_dir, photos / "9.jpg", photos, "--output", output, "--score-threshold", "0"]
    assert predict(*arguments, "--max-detections", "2", "--json") == 0
    out, err = capsys.readouterr()
    account = json.loads(out)
    assert (account["pictures"], account["skipped"], account["output"]) == (3, [], str(output))
    assert sorted(path.name for path in output.iterdir()) == ["7.jpg", "8.jpg", "9.jpg", "predictions.json"]
    assert Image.open(output / "8.jpg").size == (50, 90)
    entries = json.loads((output / "predictions.json").read_text())
    assert account["detections"] == len(entries) <= 6
    assert "3/3 pictures" in err
    assert f"weights: {tiny_model_dir}/ckpt-0: step 0, weights of that step" in err.splitlines()[0]
    assert account["weights"]["checkpoint"] == f"{tiny_model_dir}/ckpt-0"
    first = entries[0]
    assert (first["image_id"], first["file_name"]) == (1, str(photos / "9.jpg"))
    assert first["category_name"] in ("fig", "date")
    assert run_lengths.decode_mask(first["segmentation"]).shape == (64, 64)


def test_standard_error_has_lines_for_people_alone(tiny_model_dir, photos, tmp_path, capfd):
    assert predict(tiny_model_dir, photos, "--output", tmp_path / "out") == 0
    lines = capfd.readouterr().err.splitlines()
    known = ("weights: ", "runtime: ", "3/3 pictures", "1/3 pictures", "2/3 pictures")
    assert [
        line for line in lines if not line.startswith(known) and "detections in 3 pictures" not in line
    ] == []


def test_a_video_gives_what_its_frames_give_as_photos(tiny_model_dir, tmp_path):
    path = clips.write(tmp_path / "clip.mp4", (0, 40, 100))
    for number, (_, image) in enumerate(clips.read(path)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    options = ["--score-threshold", "0", "--max-detections", "3", "--save", "predictions"]
    assert predict(tiny_model_dir, path, "--output", tmp_path / "video", *options) == 0
    photos = [tmp_path / f"{number}.png" for number in range(3)]
    assert predict(tiny_model_dir, *photos, "--output", tmp_path / "photos", *options) == 0
    frames, alone = (
        json.loads((tmp_path / name / "predictions.json").read_text()) for name in ("video", "photos")
    )
    assert [entry["frame"] for entry in frames] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for one, other in zip(frames, alone, strict=True):
        assert one["category_id"] == other["category_id"]
        np.testing.assert_allclose(one["bbox"], other["bbox"], atol=0.5)
        np.testing.assert_allclose(one["score"], other["score"], atol=0.01)


def test_a_bad_picture_among_good_ones_is_reported_and_the_rest_is_done(
    tiny_model_dir, photos, tmp_path, capsys
):
    (photos / "8.jpg").write_bytes(b"<html>")
    assert predict(tiny_model_dir, photos, "--output", tmp_path / "out", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["pictures"] == 2
    assert err.count("8.jpg") == 1
    assert "1 skipped" in err
    assert not (tmp_path / "out" / "8.jpg").exists()


def test_nothing_readable_is_an_error(tiny_model_dir, photos, tmp_path, capsys):
    for path in photos.iterdir():
        path.write_bytes(b"")
    assert predict(tiny_model_dir, photos, "--output", tmp_path / "out") == 2
    assert "no picture could be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "source", "says"),
    [
        ("nomodel", "7.jpg", "nomodel: no such model directory or checkpoint"),
        ("nomodel", "none.jpg", "none.jpg: no such picture or folder"),
        ("nomodel", "*.gif", "no picture matches this pattern"),
    ],
)
def test_what_is_missing_is_named_with_exit_code_2(photos, tmp_path, capsys, model, source, says):
    assert predict(model, photos / source, "--output", tmp_path / "out") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_photos_are_not_overwritten(tiny_model_dir, photos, capsys):
    before = (photos / "7.jpg").read_bytes()
    assert predict(tiny_model_dir, photos, "--output", photos) == 2
    assert "would overwrite the picture itself" in capsys.readouterr().err
    assert (photos / "7.jpg").read_bytes() == before


def test_batches_filled_across_folders_give_what_single_pictures_give(tiny_model_dir, photos, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name, size in (("7", (30, 70)), ("a", (64, 64)), ("b", (200, 40))):
        Image.effect_noise(size, 90).convert("RGB").save(other / f"{name}.png")
    (photos / "8.jpg").write_bytes(b"<html>")
    entries = {}
    for batch_size in ("1", "2", "4"):
        output = tmp_path / batch_size
        options = ["--output", output, "--score-threshold", "0", "--batch-size", batch_size]
        assert predict(tiny_model_dir, photos, other, *options) == 0
        assert sorted(path.name for path in output.iterdir()) == [
            "7-2.jpg", "7.jpg", "9.jpg", "a.jpg", "b.jpg", "predictions.json",
        ]  # fmt: skip
        entries[batch_size] = json.loads((output / "predictions.json").read_text())
    for batch_size in ("2", "4"):
        assert len(entries[batch_size]) == len(entries["1"]) > 0
        for one, alone in zip(entries[batch_size], entries["1"], strict=True):
            for key in ("image_id", "file_name", "category_id", "category_name"):
                assert one[key] == alone[key]
            np.testing.assert_allclose(one["bbox"], alone["bbox"], atol=1e-3)
            np.testing.assert_allclose(one["score"], alone["score"], atol=1e-5)
            masks = [run_lengths.decode_mask(entry["segmentation"]) for entry in (one, alone)]
            assert np.mean(masks[0] != masks[1]) < 1e-3
    assert {entry["image_id"] for entry in entries["1"]} == {1, 3, 4, 5, 6}


@pytest.fixture
def found(tiny_model_dir, photos, tmp_path):
    """Predict on the square photo, and give the COCO results."""

    def run(*options):
        output = tmp_path / "out"
        assert predict(tiny_model_dir, photos / "9.jpg", "--output", output, *options) == 0
        return json.loads((output / "predictions.json").read_text())

    return run


def area(entries):
    return sum(int(run_lengths.decode_mask(entry["segmentation"]).sum()) for entry in entries)


def classes_of_boxes(entries):
    boxes = [tuple(entry["bbox"]) for entry in entries]
    return len(boxes) / len(set(boxes))


def test_options_change_how_detections_are_made(found):
    usual = found("--score-threshold", "0")
    assert len(usual) == 100
    assert classes_of_boxes(usual) > 1
    assert classes_of_boxes(found("--score-threshold", "0", "--nms", "cross_class")) == 1
    assert found("--score-threshold", "0", "--candidate-threshold", "1") == []
    assert area(found("--score-threshold", "0", "--no-crop")) > area(usual)


def test_more_detections_than_usual_can_be_shown(found):
    most = found("--score-threshold", "0", "--nms-iou", "1", "--max-detections", "150")
    assert len(most) == 150
    few = found("--score-threshold", "0", "--nms-iou", "1", "--max-detections", "3")
    assert few == most[:3]


def test_photos_of_12_bits_are_drawn_bright_with_the_bit_depth_alone(tiny_model_dir, tmp_path, capsys):
    (tmp_path / "deep").mkdir()
    values = np.random.default_rng(0).integers(2000, 4096, (40, 60), dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep" / "a.png")
    (tmp_path / "deep" / "b.heic").write_bytes(b"")
    means = {}
    for depth in ("16", "12"):
        output = tmp_path / f"out{depth}"
        words = [
            tiny_model_dir,
            tmp_path / "deep",
            "--output",
            output,
            "--bit-depth",
            depth,
            "--score-threshold",
            "1",
        ]
        assert predict(*words) == 0
        told = capsys.readouterr().err
        assert ("its values fill 12 of 16 bits" in told) == (depth == "16")
        assert "1 file of a kind that is not read (.heic)" in told
        means[depth] = np.asarray(Image.open(output / "a.jpg"), np.float64).mean()
    assert means["16"] < 16
    assert abs(means["12"] - (values / 16).mean()) < 3
