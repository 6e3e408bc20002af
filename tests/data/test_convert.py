from __future__ import annotations

import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from pycocotools import coco
from pycocotools import mask as coco_mask

from official_yolact.data.conversion import convert
from official_yolact.data.conversion import convert_options
from official_yolact.data.sets import shapes
from official_yolact.records import manifest as manifest_lib

HEIGHT, WIDTH = 30, 40


def blob(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = (rng.random((HEIGHT // 5, WIDTH // 5)) > 0.5).repeat(5, 0).repeat(5, 1)
    return np.asfortranarray(mask.astype(np.uint8))


def compressed(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": coco_mask.encode(mask)["counts"].decode()}


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
    return {"size": list(mask.shape), "counts": np.diff([0, *edges, flat.size]).tolist()}


def annotation(number: int, image_id: int, segmentation: Any, **fields: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image_id, "category_id": 7, "segmentation": segmentation, **fields}


def every_kind() -> list[dict[str, Any]]:
    """Polygons in parts, both run-length codes, with holes and as crowds; image 4 has nothing."""
    ring = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    ring[5:25, 5:25], ring[10:20, 10:20] = 1, 0
    return [
        annotation(1, 1, [[2, 2, 20, 3, 12, 25], [25, 5, 39.5, 5, 39.5, 29, 25, 29]], bbox=[2, 2, 37.5, 27]),
        annotation(2, 1, compressed(ring), bbox=[5, 5, 20, 20], area=300, category_id=3),
        annotation(3, 2, uncompressed(ring), bbox=[5, 5, 20, 20], iscrowd=0),
        annotation(4, 2, uncompressed(blob(1)), iscrowd=1, bbox=[0, 0, 40, 30]),
        annotation(5, 3, compressed(blob(2)), iscrowd=1, bbox=[0, 0, 40, 30], category_id=9),
        annotation(6, 3, [[-10, -10, 20, -10, 20, 20, -10, 20]], bbox=[-10, -10, 30, 30]),
    ]


@pytest.fixture
def source(tmp_path: pathlib.Path) -> Any:
    """Write images 1 to 4 and annotations; gives the annotation file and the image folder."""

    def write(annotations: list[dict[str, Any]] | None = None, **fields: Any) -> tuple[str, str]:
        folder = tmp_path / "images"
        folder.mkdir(exist_ok=True)
        for image_id in range(1, 5):
            pixels = np.random.default_rng(image_id).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(folder / f"{image_id}.jpg")
        content = {
            "images": [
                {"id": i, "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH} for i in range(1, 5)
            ],
            "annotations": every_kind() if annotations is None else annotations,
            "categories": [{"id": i, "name": f"kind {i}"} for i in (9, 3, 7)],
        }
        content["images"][0].update(fields)
        (tmp_path / "a.json").write_text(json.dumps(content))
        return str(tmp_path / "a.json"), str(folder)

    return write


def read_records(folder: pathlib.Path, manifest: manifest_lib.Manifest) -> dict[int, Any]:
    found = {}
    for shard in manifest.shards:
        for data in tf.data.TFRecordDataset(str(folder / shard.file)).as_numpy_iterator():
            feature = tf.train.Example.FromString(data).features.feature
            found[int(feature["image/source_id"].bytes_list.value[0])] = feature
    return found


def masks_of(feature: Any) -> list[np.ndarray]:
    return [
        np.asarray(PIL.Image.open(io.BytesIO(data))) for data in feature["image/object/mask"].bytes_list.value
    ]


def check_against_pycocotools(annotations: str, folder: pathlib.Path, manifest: manifest_lib.Manifest) -> int:
    """Compare every record with the source annotations; gives the number of instances."""
    truth, records = coco.COCO(annotations), read_records(folder, manifest)
    assert set(records) == set(truth.imgs)
    count = 0
    for image_id, feature in records.items():
        labels = feature["image/object/class/label"].int64_list.value
        height, width = (feature[f"image/{side}"].int64_list.value[0] for side in ("height", "width"))
        masks, wanted = masks_of(feature), truth.imgToAnns[image_id]
        assert len(masks) == len(wanted) == len(labels)
        for row, (mask, entry) in enumerate(zip(masks, wanted, strict=True)):
            np.testing.assert_array_equal(mask, truth.annToMask(entry))
            assert manifest.categories[labels[row] - 1]["id"] == entry["category_id"]
            assert feature["image/object/is_crowd"].int64_list.value[row] == entry.get("iscrowd", 0)
            x, y, w, h = entry["bbox"]
            box = [
                feature[f"image/object/bbox/{e}"].float_list.value[row]
                for e in ("xmin", "ymin", "xmax", "ymax")
            ]
            wanted_box = [x / width, y / height, (x + w) / width, (y + h) / height]
            np.testing.assert_allclose(box, np.clip(wanted_box, 0, 1), atol=1e-6)
            count += 1
    return count


def test_records_hold_what_pycocotools_reads_from_the_source(source: Any, tmp_path: pathlib.Path) -> None:
    annotations, images = source()
    manifest = convert.convert_coco(annotations, images, str(tmp_path / "out"), "train", num_shards=2)
    assert check_against_pycocotools(annotations, tmp_path / "out", manifest) == 6
    assert (manifest.num_records, manifest.num_instances) == (4, 6)
    assert manifest.changed == {"areas_from_masks": 5, "boxes_clipped": 1}
    assert manifest.skipped == {}


def test_a_record_has_model_gardens_keys(source: Any, tmp_path: pathlib.Path) -> None:
    annotations, images = source()
    manifest = convert.convert_coco(annotations, images, str(tmp_path / "out"), "train")
    feature = read_records(tmp_path / "out", manifest)[1]
    encoded = pathlib.Path(images, "1.jpg").read_bytes()
    assert feature["image/encoded"].bytes_list.value == [encoded]
    assert feature["image/key/sha256"].bytes_list.value == [hashlib.sha256(encoded).hexdigest().encode()]
    assert feature["image/format"].bytes_list.value == [b"jpeg"]
    assert feature["image/filename"].bytes_list.value == [b"1.jpg"]
    assert feature["image/object/class/text"].bytes_list.value == [b"kind 7", b"kind 3"]
    assert feature["image/object/class/label"].int64_list.value == [2, 1]
    assert feature["image/object/area"].float_list.value[1] == 300


def test_an_image_without_objects_is_a_record(source: Any, tmp_path: pathlib.Path) -> None:
    annotations, images = source()
    manifest = convert.convert_coco(annotations, images, str(tmp_path / "out"), "train")
    feature = read_records(tmp_path / "out", manifest)[4]
    assert not feature["image/object/mask"].bytes_list.value
    assert not feature["image/object/bbox/xmin"].float_list.value


def test_the_written_annotations_are_ground_truth_for_pycocotools(
    source: Any, tmp_path: pathlib.Path
) -> None:
    annotations = every_kind()
    annotations[0]["id"] = "0"
    path, images = source(annotations)
    manifest = convert.convert_coco(path, images, str(tmp_path / "out"), "val")
    truth = coco.COCO(str(tmp_path / "out" / manifest.annotations))
    assert sorted(truth.anns) == [2, 3, 4, 5, 6, 7], "id 0 means `unmatched` to pycocotools"
    assert sorted(truth.imgs) == [1, 2, 3, 4]
    assert truth.anns[6]["bbox"] == [0, 0, 20, 20]
    assert [truth.anns[i]["iscrowd"] for i in range(2, 8)] == [0, 0, 1, 1, 0, 0]
    for entry in truth.anns.values():
        mask = masks_of(read_records(tmp_path / "out", manifest)[entry["image_id"]])
        assert any(np.array_equal(truth.annToMask(entry), one) for one in mask)
        assert entry["area"] == (300 if entry["id"] == 2 else truth.annToMask(entry).sum())


def test_instances_without_area_are_left_out_and_counted(source: Any, tmp_path: pathlib.Path) -> None:
    options = convert_options.ConvertOptions(boxes="file")
    square = [[2, 2, 9, 2, 9, 9, 2, 9]]
    path, images = source(
        [
            annotation(1, 1, square, bbox=[2, 2, 7, 7]),
            annotation(2, 1, square, bbox=[2, 2, 0, 7]),
            annotation(3, 1, square, bbox=[90, 2, 7, 7]),
            annotation(4, 1, [[80, 2, 90, 2, 90, 9]]),
            annotation(5, 1, [[1, 2, 3, 4]]),
            annotation(6, 99, square),
            annotation(7, 2, square),
        ]
    )
    manifest = convert.convert_coco(path, images, str(tmp_path / "out"), "train", options=options)
    assert manifest.skipped == {"box_without_area": 2, "image_not_listed": 1, "mask_without_area": 2}
    assert manifest.changed == {"areas_from_masks": 2, "boxes_from_masks": 1, "polygon_parts_dropped": 1}
    written = json.loads((tmp_path / "out" / "instances-train.json").read_text())["annotations"]
    assert [(entry["id"], entry["bbox"]) for entry in written] == [(1, [2, 2, 7, 7]), (7, [2, 2, 7, 7])]


def test_the_manifest_describes_the_shards(source: Any, tmp_path: pathlib.Path) -> None:
    path, images = source()
    manifest = convert.convert_coco(path, images, str(tmp_path / "out"), "train", num_shards=3)
    assert manifest_lib.Manifest.load(str(tmp_path / "out" / "manifest-train.json")) == manifest
    assert [shard.records for shard in manifest.shards] == [2, 1, 1]
    for index, shard in enumerate(manifest.shards):
        data = (tmp_path / "out" / shard.file).read_bytes()
        assert shard.file == f"train-{index:05d}-of-00003.tfrecord"
        assert (shard.bytes, shard.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest.categories == [{"id": i, "name": f"kind {i}"} for i in (3, 7, 9)]
    assert manifest.source["sha256"] == hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    assert sorted(os.listdir(tmp_path / "out")) == sorted(
        ["instances-train.json", "manifest-train.json", *(shard.file for shard in manifest.shards)]
    )


def test_bytes_do_not_depend_on_the_number_of_workers(source: Any, tmp_path: pathlib.Path) -> None:
    path, images = source()
    one, three = (
        convert.convert_coco(path, images, str(tmp_path / str(n)), "train", num_shards=4, workers=n)
        for n in (1, 3)
    )
    assert one == three
    for name in os.listdir(tmp_path / "1"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


@pytest.mark.parametrize(
    ("images", "shards"), [(1, 1), (100, 1), (101, 2), (350, 4), (2000, 4), (2001, 5), (118287, 237)]
)
def test_the_number_of_shards_depends_on_the_images_alone(images: int, shards: int) -> None:
    assert convert._count_shards(images) == shards


def test_converting_again_replaces_the_shards(source: Any, tmp_path: pathlib.Path) -> None:
    path, images = source()
    convert.convert_coco(path, images, str(tmp_path / "out"), "train", num_shards=4)
    convert.convert_coco(path, images, str(tmp_path / "out"), "val", num_shards=1)
    convert.convert_coco(path, images, str(tmp_path / "out"), "train", num_shards=2)
    assert len(list((tmp_path / "out").glob("train-*.tfrecord"))) == 2
    assert len(list((tmp_path / "out").glob("val-*.tfrecord"))) == 1


def test_shards_of_nobody_are_not_touched(source: Any, tmp_path: pathlib.Path) -> None:
    path, images = source()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train-00000-of-00009.tfrecord").write_bytes(b"mine")
    with pytest.raises(ValueError, match="train-00000-of-00009.tfrecord belongs to no finished conversion"):
        convert.convert_coco(path, images, str(tmp_path / "out"), "train")


def final_files(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_what_another_conversion_left_is_cleared(source: Any, tmp_path: pathlib.Path) -> None:
    path, images = source()
    for split in ("train", "val"):
        work = tmp_path / "out" / f".{split}.incomplete"
        work.mkdir(parents=True)
        (work / "train-00001-of-00009.tfrecord").write_bytes(b"half")
    convert.convert_coco(path, images, str(tmp_path / "out"), "train")
    assert [p.name for p in (tmp_path / "out").glob(".*")] == [".val.incomplete"]


def test_a_conversion_that_fails_leaves_the_earlier_one(source: Any, tmp_path: pathlib.Path) -> None:
    path, images = source()
    manifest = convert.convert_coco(path, images, str(tmp_path / "out"), "train", num_shards=2)
    before = final_files(tmp_path / "out")
    pathlib.Path(images, "4.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"image 4: .*4\.jpg cannot be read"):
        convert.convert_coco(path, images, str(tmp_path / "out"), "train", num_shards=2, workers=2)
    assert final_files(tmp_path / "out") == before
    assert manifest_lib.Manifest.load(str(tmp_path / "out" / "manifest-train.json")) == manifest


def test_the_manifest_comes_last(
    source: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, images = source()
    order: list[str] = []
    replace = os.replace

    def note(old: str, new: str) -> None:
        replace(old, new)
        order.extend([os.path.basename(new)] if os.path.dirname(new) == str(tmp_path / "out") else [])

    monkeypatch.setattr(os, "replace", note)
    convert.convert_coco(path, images, str(tmp_path / "out"), "train", num_shards=2)
    assert order == [
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
        "instances-train.json",
        "manifest-train.json",
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"file_name": "none.jpg"}, r"image 1: file_name is 'none.jpg', but there is no file"),
        ({"file_name": "../secret.jpg"}, r"image 1: file_name is '../secret.jpg', which leads out"),
        ({"file_name": "/etc/hostname"}, "image 1: file_name is '/etc/hostname', which leads out"),
        ({"file_name": "link.jpg"}, "image 1: file_name is 'link.jpg', which leads out"),
        ({"height": 40, "width": 30}, "image 1: height and width are 40 and 30, but .* has 30 and 40"),
    ],
)
def test_images_that_do_not_fit_are_refused_by_name(
    fields: dict[str, Any], message: str, source: Any, tmp_path: pathlib.Path
) -> None:
    path, images = source(**fields)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "images" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(ValueError, match=f"a.json: {message}"):
        convert.convert_coco(path, images, str(tmp_path / "out"), "train")
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_a_segmentation_that_cannot_be_drawn_is_refused_by_name(source: Any, tmp_path: pathlib.Path) -> None:
    path, images = source([annotation(8, 2, {"size": [HEIGHT, WIDTH], "counts": [10, 20]})])
    with pytest.raises(ValueError, match=r"a.json: annotation 8: segmentation: counts \[10, 20\] sum to 30"):
        convert.convert_coco(path, images, str(tmp_path / "out"), "train")
    assert not list((tmp_path / "out").iterdir())


def test_a_set_of_which_nothing_is_left_is_refused(source: Any, tmp_path: pathlib.Path) -> None:
    path, images = source([annotation(8, 2, [[80, 2, 90, 2, 90, 9]])])
    with pytest.raises(ValueError, match=r"no annotation can be used; left out: {'mask_without_area': 1}"):
        convert.convert_coco(path, images, str(tmp_path / "out"), "train")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_shards": 5}, "shards is 5, but .* has 4 images"),
        ({"num_shards": 0}, "shards is 0"),
        ({"workers": 0}, "workers is 0"),
        ({"split": "a/b"}, "split is 'a/b'"),
    ],
)
def test_options_out_of_range_are_refused(
    options: dict[str, Any], message: str, source: Any, tmp_path: pathlib.Path
) -> None:
    path, images = source()
    with pytest.raises(ValueError, match=message):
        convert.convert_coco(path, images, str(tmp_path / "out"), **{"split": "train", **options})


def test_missing_inputs_are_named(source: Any, tmp_path: pathlib.Path) -> None:
    path, images = source()
    with pytest.raises(FileNotFoundError, match=r"none\.json: no such annotation file"):
        convert.convert_coco("none.json", images, str(tmp_path / "out"), "train")
    with pytest.raises(NotADirectoryError, match="nowhere: no such image folder"):
        convert.convert_coco(path, "nowhere", str(tmp_path / "out"), "train")


def test_shapes_survive_conversion(tmp_path: pathlib.Path) -> None:
    shapes.write_shapes(str(tmp_path), 60, 1, size=64)
    annotations = str(tmp_path / "instances_train.json")
    manifest = convert.convert_coco(annotations, str(tmp_path / "train"), str(tmp_path / "out"), "train")
    assert check_against_pycocotools(annotations, tmp_path / "out", manifest) == manifest.num_instances > 100


_MEASURE = """
import sys
from peak_memory import peak_kb
from official_yolact.data.conversion import convert
convert.convert_coco(sys.argv[1] + "/few.json", sys.argv[1], sys.argv[1] + "/out", "few", num_shards=1)
before = peak_kb()
convert.convert_coco(sys.argv[1] + "/many.json", sys.argv[1], sys.argv[1] + "/out", "many", num_shards=1)
print(peak_kb() - before)
"""


def test_memory_does_not_grow_with_the_number_of_images(
    tmp_path: pathlib.Path, helper_environment: dict[str, str]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (600, 600, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png", compress_level=1)
    square = [[2, 2, 500, 2, 500, 500, 2, 500]]
    for name, count in (("few", 3), ("many", 60)):
        content = {
            "images": [{"id": i, "file_name": "a.png"} for i in range(1, count + 1)],
            "annotations": [annotation(i, i, square) for i in range(1, count + 1)],
            "categories": [{"id": 7, "name": "square"}],
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env=helper_environment,
    )
    written = (tmp_path / "out" / "many-00000-of-00001.tfrecord").stat().st_size
    assert written > 60e6
    assert int(done.stdout) * 1024 < 15e6


@pytest.mark.shared
@pytest.mark.parametrize(
    ("annotations", "images", "count"),
    [
        ("nuts/train.json", "nuts/images", 121),
        ("coco-open/instances_val2017.json", "coco-open/val2017", 560),
    ],
)
def test_real_photos_survive_conversion(
    annotations: str, images: str, count: int, shared: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = str(shared / "data" / annotations)
    manifest = convert.convert_coco(path, str(shared / "data" / images), str(tmp_path), "val")
    assert check_against_pycocotools(path, tmp_path, manifest) == manifest.num_instances == count
