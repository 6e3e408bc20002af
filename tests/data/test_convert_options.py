"""Policies of a conversion, and random annotations: nothing crashes, nothing is lost without a word."""

from __future__ import annotations

import io
import json
import math
import pathlib
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from official_yolact.data.conversion import convert
from official_yolact.data.conversion import convert_options
from official_yolact.records import manifest as manifest_lib

HEIGHT, WIDTH = 30, 40
SQUARE = [[2, 2, 12, 2, 12, 12, 2, 12]]


def entry(number: int, image: int = 1, category: int = 1, **fields: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": SQUARE, **fields}


@pytest.fixture
def converted(tmp_path: pathlib.Path) -> Any:
    """Convert annotations over photos 1 to 3; gives the manifest and the written annotations by id."""
    for number in (1, 2, 3):
        PIL.Image.new("RGB", (WIDTH, HEIGHT), (number, 90, 200)).save(tmp_path / f"{number}.jpg")

    def run(annotations: list[Any], **options: Any) -> tuple[manifest_lib.Manifest, dict[int, Any]]:
        images = [{"id": i, "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH} for i in range(1, 4)]
        categories = [{"id": i, "name": name} for i, name in ((1, "car"), (5, "truck"), (8, "person"))]
        content = {"annotations": annotations, "images": images, "categories": categories}
        (tmp_path / "a.json").write_text(json.dumps(content))
        chosen = convert_options.ConvertOptions(**options)
        manifest = convert.convert_coco(
            str(tmp_path / "a.json"), str(tmp_path), str(tmp_path / "out"), "train", options=chosen
        )
        written = json.loads((tmp_path / "out" / "instances-train.json").read_text())["annotations"]
        check_sums(manifest)
        return manifest, {one["id"]: one for one in written}

    return run


def check_sums(manifest: manifest_lib.Manifest) -> None:
    assert manifest.images_in == manifest.num_records + sum(manifest.skipped_images.values())
    assert manifest.instances_in == manifest.num_instances + sum(manifest.skipped.values())
    assert sum(shard.instances for shard in manifest.shards) == manifest.num_instances
    for counts, ids in (
        (manifest.skipped, manifest.skipped_ids["annotations"]),
        (manifest.skipped_images, manifest.skipped_ids["images"]),
    ):
        assert counts == {reason: len(listed) for reason, listed in ids.items()}


def test_crowds_are_kept_taken_as_instances_or_dropped(converted: Any) -> None:
    annotations = [entry(1), entry(2, iscrowd=1)]
    manifest, written = converted(annotations)
    assert (written[2]["iscrowd"], manifest.changed.get("crowds_as_instances")) == (1, None)
    manifest, written = converted(annotations, crowd="as-instance")
    assert (written[2]["iscrowd"], manifest.changed["crowds_as_instances"]) == (0, 1)
    manifest, written = converted(annotations, crowd="drop")
    assert (sorted(written), manifest.skipped_ids["annotations"]) == ([1], {"crowd": [2]})
    assert manifest.options["crowd"] == "drop"


@pytest.mark.parametrize("missing", [None, [], [[]], {}])
def test_a_missing_mask_is_an_error_is_skipped_or_is_the_box(missing: Any, converted: Any) -> None:
    annotations = [entry(1), entry(2, segmentation=missing, bbox=[30, 4, 20, 6])]
    with pytest.raises(ValueError, match=r"a.json: annotation 2: segmentation is .* --missing-masks"):
        converted(annotations)
    manifest, written = converted(annotations, missing_masks="skip")
    assert (sorted(written), manifest.skipped_ids["annotations"]) == ([1], {"no_segmentation": [2]})
    manifest, written = converted(annotations, missing_masks="box")
    assert (written[2]["bbox"], written[2]["area"]) == ([30, 4, 10, 6], 60)
    assert manifest.changed["masks_from_boxes"] == 1
    with pytest.raises(ValueError, match="annotation 2: segmentation and bbox are missing"):
        converted([entry(1), entry(2, segmentation=missing)], missing_masks="box")


def test_classes_are_selected_and_keep_the_order_of_their_ids(converted: Any) -> None:
    annotations = [entry(1), entry(2, category=5), entry(3, category=8)]
    manifest, _ = converted(annotations, classes=("person", "car"))
    assert manifest.categories == [{"id": 1, "name": "car"}, {"id": 8, "name": "person"}]
    assert manifest.category_map == {"1": 1, "8": 2}
    assert manifest.skipped_ids["annotations"] == {"class_not_wanted": [2]}
    with pytest.raises(ValueError, match=r"a.json: classes names 'cars', .*: did you mean 'car'"):
        converted(annotations, classes=("cars",))


def test_classes_that_are_given_one_name_become_one(converted: Any) -> None:
    annotations = [entry(1), entry(2, category=5), entry(3, category=8)]
    rename = (("car", "vehicle"), ("truck", "vehicle"))
    manifest, written = converted(annotations, rename=rename)
    assert manifest.categories == [{"id": 1, "name": "vehicle"}, {"id": 8, "name": "person"}]
    assert manifest.category_map == {"1": 1, "5": 1, "8": 2}
    assert [written[i]["category_id"] for i in (1, 2, 3)] == [1, 1, 8]
    manifest, _ = converted(annotations, rename=rename, classes=("vehicle",))
    assert manifest.category_map == {"1": 1, "5": 1}
    with pytest.raises(ValueError, match="rename names 'bus', which categories does not list"):
        converted(annotations, rename=(("bus", "vehicle"),))


def test_areas_are_recomputed_on_demand_only(converted: Any) -> None:
    annotations = [entry(1, area=77), entry(2, area=1e9), entry(3)]
    assert [one["area"] for one in converted(annotations)[1].values()] == [77, 100, 100]
    manifest, written = converted(annotations, recompute_area=True)
    assert [one["area"] for one in written.values()] == [100, 100, 100]
    assert manifest.changed["areas_from_masks"] == 3


def test_bad_images_are_skipped_on_demand_with_all_that_is_on_them(
    converted: Any, tmp_path: pathlib.Path
) -> None:
    annotations = [entry(1), entry(2, image=2), entry(3, image=2), entry(4, image=3)]
    converted(annotations)
    (tmp_path / "2.jpg").write_bytes((tmp_path / "2.jpg").read_bytes()[:-300])
    (tmp_path / "3.jpg").unlink()
    with pytest.raises(ValueError, match=r"a.json: image 3: file_name is '3.jpg', but there is no file"):
        converted(annotations)
    manifest, written = converted(annotations, bad_images="skip")
    assert manifest.skipped_ids == {
        "images": {"image_missing": [3], "image_unreadable": [2]},
        "annotations": {"image_left_out": [2, 3, 4]},
    }
    assert sorted(written) == [1]
    with pytest.raises(ValueError, match="no annotation can be used; left out: .*image_too_large"):
        converted(annotations, bad_images="skip", max_pixels=100)


def test_bad_annotations_are_skipped_on_demand(converted: Any) -> None:
    annotations = [
        entry(1),
        entry(2, segmentation=[[math.nan] * 6]),
        entry(3, bbox=[1, 2, 3]),
        entry(4, category=77),
        "nothing",
        entry(6, segmentation={"size": [HEIGHT, WIDTH], "counts": "0"}),
        entry(7, image=99),
    ]
    with pytest.raises(ValueError, match="annotation 3: bbox is"):
        converted(annotations)
    manifest, written = converted(annotations, bad_annotations="skip")
    assert sorted(written) == [1]
    assert manifest.skipped_ids["annotations"] == {
        "bad_annotation": [-5, 2, 3, 4, 6],
        "image_not_listed": [7],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crowd": "some"}, "crowd is 'some': choose from keep, as-instance, drop"),
        ({"missing_masks": "no"}, "missing_masks is 'no'"),
        ({"max_pixels": 0}, "max_pixels is 0"),
        ({"rename": (("a", "b"), ("a", "c"))}, "give each class once"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert_options.ConvertOptions(**options)


def strange_number(rng: np.random.Generator) -> float:
    odd = [math.nan, math.inf, -math.inf, 1e308, -1e308, 1e9, -5.0, -0.3, 0.0, 1e-30, 40.0001]
    if rng.random() < 0.12:
        return float(rng.choice(odd))
    number = rng.uniform(-3, 42)
    return float(number) if rng.random() < 0.5 else float(round(number))


def strange_segmentation(rng: np.random.Generator) -> Any:
    kind = int(rng.integers(8))
    if kind < 3:
        return [
            [strange_number(rng) for _ in range(int(rng.integers(0, 13)))] for _ in range(rng.integers(0, 3))
        ]
    if kind == 3:
        return [strange_number(rng) for _ in range(8)]
    mask = np.asfortranarray((rng.random((HEIGHT, WIDTH)) > rng.random()).astype(np.uint8))
    if kind < 6:
        text = coco_mask.encode(mask)["counts"].decode()
        if rng.random() < 0.4:
            cut = int(rng.integers(0, len(text)))
            text = text[:cut] + str(rng.choice(["", "~", "0", "oooooo"])) + text[cut + 1 :]
        return {"size": [HEIGHT, WIDTH] if rng.random() < 0.9 else [WIDTH, HEIGHT], "counts": text}
    if kind == 6:
        counts = rng.integers(-5, 400, int(rng.integers(0, 9))).tolist()
        rest = HEIGHT * WIDTH - sum(counts)
        return {"size": [HEIGHT, WIDTH], "counts": counts + ([rest] if rng.random() < 0.8 else [])}
    return [None, [], {}, "polygon", 7, [[]], {"counts": []}, [[1, 2], 3]][int(rng.integers(8))]


def strange_annotation(number: int, rng: np.random.Generator) -> dict[str, Any]:
    one = entry(number, int(rng.integers(1, 5)), int(rng.choice([1, 1, 5, 8, 77])))
    one["segmentation"] = strange_segmentation(rng)
    if rng.random() < 0.7:
        one["bbox"] = [strange_number(rng) for _ in range(4)]
    if rng.random() < 0.5:
        one["area"] = strange_number(rng)
    if rng.random() < 0.7:
        one["iscrowd"] = int(rng.integers(2))
    return one


def check_records(folder: pathlib.Path, manifest: manifest_lib.Manifest) -> int:
    count = 0
    for shard in manifest.shards:
        for data in tf.data.TFRecordDataset(str(folder / shard.file)).as_numpy_iterator():
            feature = tf.train.Example.FromString(data).features.feature
            edges = {
                side: feature[f"image/object/bbox/{side}"].float_list.value
                for side in ("ymin", "xmin", "ymax", "xmax")
            }
            labels = feature["image/object/class/label"].int64_list.value
            masks = feature["image/object/mask"].bytes_list.value
            for row, label in enumerate(labels):
                assert 1 <= label <= len(manifest.categories)
                assert 0 <= edges["ymin"][row] < edges["ymax"][row] <= 1
                assert 0 <= edges["xmin"][row] < edges["xmax"][row] <= 1
                assert 0 < feature["image/object/area"].float_list.value[row] <= HEIGHT * WIDTH
                mask = np.asarray(PIL.Image.open(io.BytesIO(masks[row])))
                assert mask.shape == (HEIGHT, WIDTH)
                assert mask.max() == 1
                count += 1
    return count


@pytest.mark.parametrize("seed", range(40))
def test_random_annotations_are_written_soundly_or_left_out_and_listed(
    seed: int, converted: Any, tmp_path: pathlib.Path
) -> None:
    rng = np.random.default_rng(seed)
    annotations = [*(strange_annotation(number, rng) for number in range(1, 31)), entry(31)]
    options = {
        "crowd": str(rng.choice(convert_options.CROWD)),
        "missing_masks": str(rng.choice(convert_options.MISSING_MASKS)),
        "recompute_area": bool(rng.integers(2)),
    }
    manifest, written = converted(annotations, bad_annotations="skip", **options)
    left_out = {i for listed in manifest.skipped_ids["annotations"].values() for i in listed}
    assert left_out | set(written) == set(range(1, 32))
    assert not left_out & set(written)
    assert check_records(tmp_path / "out", manifest) == len(written) == manifest.num_instances


@pytest.mark.parametrize("seed", range(40))
def test_one_random_annotation_is_written_left_out_or_named(seed: int, converted: Any) -> None:
    rng = np.random.default_rng(1000 + seed)
    for _ in range(5):
        message = ""
        try:
            manifest, written = converted([entry(1), strange_annotation(2, rng)])
        except ValueError as error:
            message = str(error)
        if message:
            assert "a.json: annotation 2: " in message
        else:
            listed = [i for ids in manifest.skipped_ids["annotations"].values() for i in ids]
            assert sorted([*listed, *written]) == [1, 2]
