import json

import pytest

from official_yolact.cli import main
from official_yolact.evaluation import measurement


def last_line(text):
    return json.loads(text.splitlines()[-1])


@pytest.fixture
def detections(tmp_path):
    found = [
        {"image_id": "7", "category_id": 3, "bbox": [5, 5, 20, 20], "score": 0.9},
        {"image_id": 8, "category_id": 5, "bbox": [10, 30, 25, 25], "score": 0.8},
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(found))
    return path


def test_a_results_file_is_measured(detections, annotations, tmp_path, capsys):
    output = tmp_path / "out"
    arguments = ["--detections", detections, "--annotations", annotations, "--output", output, "--json"]
    assert main.main(["eval", *map(str, arguments)]) == 0
    out = capsys.readouterr().out
    found = last_line(out)
    assert list(found) == [*("box_" + name for name in measurement.NAMES), "classes"]
    assert found["box_AP"] == pytest.approx(1.0)
    assert out.splitlines()[1].split()[:2] == ["box", "100.0"]
    assert sorted(path.name for path in output.iterdir()) == ["bbox_detections.json", "metrics.json"]
    written = json.loads((output / "metrics.json").read_text())
    assert written == found
    classes = found.pop("classes")
    assert [(name, numbers["objects"]) for name, numbers in classes.items()] == [("fig", 1), ("date", 1)]
    assert [line.split()[:3] for line in out.splitlines()[-3:-1]] == [
        ["fig", "1", "100.0"],
        ["date", "1", "100.0"],
    ]
    for name in found:
        assert found[name] == pytest.approx(sum(numbers[name] for numbers in classes.values()) / 2)
    assert [r["image_id"] for r in json.loads((output / "bbox_detections.json").read_text())] == [7, 8]


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_model_is_measured_and_its_results_measure_the_same(
    tiny_model_dir, photos, annotations, tmp_path, capsys, batch_size
):
    output = tmp_path / "out"
    arguments = [
        tiny_model_dir,
        "--images",
        photos,
        "--annotations",
        annotations,
        "--output",
        output,
        "--json",
    ]
    assert main.main(["eval", *map(str, arguments), "--batch-size", str(batch_size)]) == 0
    found = last_line(capsys.readouterr().out)
    assert list(found) == [
        *(kind + name for kind in ("box_", "mask_") for name in measurement.NAMES),
        "classes",
        "skipped",
        "weights",
    ]
    assert json.loads((output / "metrics.json").read_text()).items() >= found.items()
    assert found["skipped"] == []
    for kind, name in (("box_", "bbox_detections.json"), ("mask_", "mask_detections.json")):
        results = json.loads((output / name).read_text())
        assert {result["image_id"] for result in results} <= {7, 8, 9}
        assert {result["category_id"] for result in results} <= {3, 5}
        again = ["--detections", output / name, "--annotations", annotations, "--json"]
        assert main.main(["eval", *map(str, again)]) == 0
        measured = last_line(capsys.readouterr().out)
        del measured["classes"]
        assert measured == {name: value for name, value in found.items() if name.startswith(kind)}


def test_the_report_of_a_model_says_which_it_is_how_fast_and_how_fine_its_masks_can_be(
    tiny_model_dir, photos, annotations, tmp_path, capsys
):
    words = ["eval", tiny_model_dir, "--images", photos, "--annotations", annotations]
    assert main.main([*map(str, words), "--report", str(tmp_path / "report"), "--json"]) == 0
    assert last_line(capsys.readouterr().out)["report"] == str(tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    model = report["evaluated"]["model"]
    assert (model["path"], model["step"], model["precision"]) == (str(tiny_model_dir), 0, "float32")
    assert model["config"]["task"]["model"]["num_classes"] == 3
    assert [(each["grid"], each["trained"]) for each in report["ceiling"]] == [
        ([16, 16], True),
        ([16, 16], False),
    ]
    assert [row["batch"] for row in report["speed"]["rows"]] == [1, 8]
    for row in report["speed"]["rows"]:
        assert list(row["parts"]) == ["decode", "network", "suppression", "masks", "encode", "total"]
        assert all(0 < part["median"] <= part["p95"] for part in row["parts"].values())


def test_without_annotations_results_alone_are_written(tiny_model_dir, photos, tmp_path, capsys):
    output = tmp_path / "out"
    assert (
        main.main(["eval", tiny_model_dir, "--images", str(photos), "--output", str(output), "--json"]) == 0
    )
    assert last_line(capsys.readouterr().out)["output"] == str(output)
    assert sorted(path.name for path in output.iterdir()) == ["bbox_detections.json", "mask_detections.json"]
    results = json.loads((output / "mask_detections.json").read_text())
    assert {result["image_id"] for result in results} <= {1, 2, 3}


def test_what_was_skipped_is_told_wherever_numbers_are(tiny_model_dir, photos, annotations, tmp_path, capsys):
    (photos / "8.jpg").write_bytes(b"garbage")
    words = ["eval", tiny_model_dir, "--images", str(photos), "--output", str(tmp_path / "out"), "--json"]
    for more in ([], ["--annotations", str(annotations), "--force"]):
        assert main.main([*words, *more]) == 0
        (message,) = last_line(capsys.readouterr().out)["skipped"]
        assert "8.jpg" in message
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["skipped"] == [message]


def test_a_list_of_images_gives_the_ids(tiny_model_dir, photos, tmp_path):
    listed = tmp_path / "info.json"
    listed.write_text(json.dumps({"images": [{"id": 581929, "file_name": "8.jpg"}]}))
    output = tmp_path / "out"
    arguments = [tiny_model_dir, "--images", photos, "--image-list", listed, "--output", output]
    assert main.main(["eval", *map(str, arguments)]) == 0
    results = json.loads((output / "mask_detections.json").read_text())
    assert {result["image_id"] for result in results} == {581929}
    assert results[0]["segmentation"]["size"] == [90, 50]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name either a MODEL or --detections"),
        (["m", "--detections", "r.json", "--annotations", "a.json"], "name either a MODEL or --detections"),
        (["--detections", "r.json"], "--annotations JSON: name it"),
        (["--detections", "r", "--annotations", "a", "--images", "d"], "belong to a MODEL"),
        (
            ["--detections", "r", "--annotations", "a", "--nms", "fast"],
            "options of detection belong to a MODEL",
        ),
        (["--detections", "r", "--annotations", "a", "--max-detections", "9"], "belong to a MODEL"),
        (["m"], "--images DIR: name the folder"),
        (["m", "--images", "d"], "nothing to measure: name --output"),
        (["m", "--images", "d", "--annotations", "a", "--image-list", "i"], "leave out --image-list"),
        (["--detections", "none.json", "--annotations", "none.json"], "none.json: No such file"),
        (["m", "--images", "nowhere", "--output", "o"], "nowhere: no such picture or folder"),
    ],
)
def test_wrong_combinations_are_one_line_and_exit_code_2(capsys, arguments, says):
    assert main.main(["eval", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_missing_image_is_named_before_the_model_is_loaded(photos, annotations, capsys):
    (photos / "8.jpg").unlink()
    assert main.main(["eval", "nomodel", "--images", str(photos), "--annotations", str(annotations)]) == 2
    assert "8.jpg: no such file, but" in capsys.readouterr().err


def test_results_of_other_images_are_refused(detections, annotations, capsys):
    detections.write_text('[{"image_id": 70, "category_id": 3, "bbox": [1, 1, 2, 2], "score": 1}]')
    assert main.main(["eval", "--detections", str(detections), "--annotations", str(annotations)]) == 2
    assert "[0]: image_id is 70: not an image of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ([], 100),
        (["--max-detections", "2"], 2),
        (["--max-detections", "150", "--nms-iou", "1"], 150),
        (["--score-threshold", "1"], 0),
    ],
)
def test_options_change_what_is_found(tiny_model_dir, photos, tmp_path, options, most):
    output = tmp_path / "out"
    listed = tmp_path / "info.json"
    listed.write_text(json.dumps({"images": [{"id": 5, "file_name": "9.jpg"}]}))
    arguments = [tiny_model_dir, "--images", photos, "--image-list", listed, "--output", output]
    assert main.main(["eval", *map(str, arguments), *options]) == 0
    assert len(json.loads((output / "mask_detections.json").read_text())) == most


def test_boxes_are_cut_to_whole_pixels_on_request(detections, annotations, tmp_path, capsys):
    found = json.loads(detections.read_text())
    found[0]["bbox"] = [5.9, 5.9, 20.0, 20.0]
    found[1]["bbox"] = [10.3, 30.9, 24.9, 25.0]
    detections.write_text(json.dumps(found))
    arguments = ["eval", "--detections", str(detections), "--annotations", str(annotations), "--json"]
    assert main.main(arguments) == 0
    uncut = last_line(capsys.readouterr().out)["box_AP"]
    output = tmp_path / "cut"
    assert main.main([*arguments, "--integer-boxes", "--output", str(output)]) == 0
    assert uncut < last_line(capsys.readouterr().out)["box_AP"] == pytest.approx(1.0)
    written = json.loads((output / "bbox_detections.json").read_text())
    assert [one["bbox"] for one in written] == [[5, 5, 20, 20], [10, 30, 25, 25]]
