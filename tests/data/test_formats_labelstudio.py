"""Label Studio: what an export draws comes back in the COCO file; what is left out is counted and said."""

import json
import math

import label_studio_runs
import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from official_yolact.cli import main
from official_yolact.data.formats import brush

HEIGHT, WIDTH = 40, 80
SIZE = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
# Percent of width and height: the pixels (8, 4), (40, 6) and (24, 26).
POLYGON = {"points": [[10, 10], [50, 15], [30, 65]], "closed": True, "polygonlabels": ["nut"]}
CORNERS = [8, 4, 40, 6, 24, 26]


def result(value, kind="polygonlabels", **fields):
    return {"type": kind, "value": value, "from_name": "label", "to_name": "image", **SIZE, **fields}


def task(image, *results, **fields):
    return {"id": 1, "data": {"image": image}, "annotations": [{"id": 5, "result": list(results), **fields}]}


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "my photo (1).png"):
        PIL.Image.new("RGB", (WIDTH, HEIGHT), (90, 60, len(name))).save(f"photos/{name}")
    return tmp_path


def read(capsys, content, *options):
    """Run the command; returns the COCO file, the summary and what was said."""
    with open("export.json", "wb") as file:
        file.write(content if isinstance(content, bytes) else json.dumps(content).encode())
    words = ["data", "labelstudio", "export.json", "--images", "photos", "--output", "coco.json", "--json"]
    code = main.main([*words, "--force", *options])
    told = capsys.readouterr()
    if code:
        return code, None, told.err
    with open("coco.json") as file:
        return json.load(file), json.loads(told.out), told.err


def masks(coco):
    """Map class names to masks [H, W] drawn by pycocotools."""
    names = {one["id"]: one["name"] for one in coco["categories"]}
    found = {}
    for one in coco["annotations"]:
        code = one["segmentation"]
        code = coco_mask.merge(coco_mask.frPyObjects(code, HEIGHT, WIDTH)) if isinstance(code, list) else code
        found[names[one["category_id"]]] = coco_mask.decode(code) != 0
    return found


@pytest.mark.parametrize(
    "sizes", [(3, 4, 8, 16), (2, 5, 9, 12), (16, 16, 16, 16)], ids=["usual", "odd", "long"]
)
@pytest.mark.parametrize("kind", ["blobs", "noise", "empty", "full", "one pixel"])
def test_a_brush_mask_is_decoded_from_its_packed_runs(sizes, kind):
    generator = np.random.default_rng(3)
    mask = np.zeros((17, 23), bool)
    if kind == "blobs":
        mask[3:9, 4:20] = mask[12:, 2:5] = True
    elif kind == "noise":
        mask = generator.random(mask.shape) < 0.4
    elif kind != "empty":
        mask[16, 22] = True
        mask |= kind == "full"
    for colours in (None, generator):
        np.testing.assert_array_equal(
            brush.decode(label_studio_runs.pack(mask, sizes, colours), 17, 23, "a"), mask
        )


def test_every_shape_with_an_inside_comes_back(work, capsys):
    painted = np.zeros((HEIGHT, WIDTH), bool)
    painted[5:20, 30:33] = painted[18:22, 10:60] = True
    results = [
        result(POLYGON, id="p"),
        result({"format": "rle", "rle": label_studio_runs.pack(painted), "brushlabels": ["brush"]}, "brushlabels"),
        result({"x": 50, "y": 25, "width": 25, "height": 50, "rotation": 30, "rectanglelabels": ["box"]}, "rectanglelabels"),
        result({"x": 50, "y": 50, "radiusX": 20, "radiusY": 20, "rotation": 0, "ellipselabels": ["egg"]}, "ellipselabels"),
        # A tag <Labels> and a tag <Polygon>: two results of one region, and a choice that belongs to it.
        result({**POLYGON, "polygonlabels": None}, "polygon", id="q"),
        result({"points": POLYGON["points"], "labels": ["fig"]}, "labels", id="q"),
        {"type": "choices", "value": {"choices": ["ripe"]}, "id": "q"},
    ]  # fmt: skip
    coco, summary, _ = read(capsys, [task("/data/upload/1/0123abcd-a.png", *results)])
    assert summary["skipped"] == {"image_without_label": 1}
    assert [image["file_name"] for image in coco["images"]] == ["a.png"]
    found = masks(coco)
    assert list(found) == ["nut", "brush", "box", "egg", "fig"]
    np.testing.assert_array_equal(
        found["nut"], coco_mask.decode(coco_mask.frPyObjects([CORNERS], HEIGHT, WIDTH))[..., 0]
    )
    np.testing.assert_array_equal(found["fig"], found["nut"])
    np.testing.assert_array_equal(found["brush"], painted)
    # The rectangle of 20 x 20 pixels at (40, 10) is turned about that corner, clockwise as one sees it.
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    turn = math.radians(30)
    along = (x - 40) * math.cos(turn) + (y - 10) * math.sin(turn)
    across = (y - 10) * math.cos(turn) - (x - 40) * math.sin(turn)
    inside = np.minimum(np.minimum(along, 20 - along), np.minimum(across, 20 - across))
    assert found["box"][inside > 1].all()
    assert not found["box"][inside < -1].any()
    oval = ((x - 40) / 16) ** 2 + ((y - 20) / 8) ** 2
    assert found["egg"][oval < 0.85].all()
    assert not found["egg"][oval > 1.2].any()


def test_the_short_export_gives_the_same(work, capsys):
    long, _, _ = read(
        capsys,
        [
            task(
                "a.png",
                result(POLYGON),
                result({"x": 5, "y": 5, "width": 9, "height": 9, "rectanglelabels": ["box"]}),
            )
        ],
    )
    shapes = [{**POLYGON, **SIZE}]
    boxes = [{"x": 5, "y": 5, "width": 9, "height": 9, "rectanglelabels": ["box"], **SIZE}]
    short = {"image": "/data/upload/7/01234567-a.png", "id": 3, "label": shapes, "box": boxes, "annotator": 1}
    again, _, _ = read(capsys, [short])
    assert again == long


@pytest.mark.parametrize(
    ("stated", "file"),
    [
        ("/data/upload/3/01234567-a.png", "a.png"),
        ("/data/local-files/?d=sets/a.png", "a.png"),
        ("/data/local-files/?d=sets%5Ca.png", "a.png"),
        ("https://bucket.s3.amazonaws.com/x/a.png?X-Amz=1", "a.png"),
        ("s3://bucket/x/a.png", "a.png"),
        ("/data/upload/3/01234567-my_photo_1.png", "my photo (1).png"),
        ("upload/3/my%20photo%20(1).png", "my photo (1).png"),
        ("C:\\x\\my photo (1).png", "my photo (1).png"),
    ],
)
def test_photos_are_found_by_what_label_studio_calls_them(work, capsys, stated, file):
    coco, _, _ = read(capsys, [task(stated, result(POLYGON))])
    assert [image["file_name"] for image in coco["images"]] == [file]


def test_the_photo_is_found_under_another_key_of_the_task(work, capsys):
    one = task("", result(POLYGON))
    one["data"] = {"text": "words", "photo": "/data/upload/1/01234567-a.png"}
    assert read(capsys, [one])[0]["images"][0]["file_name"] == "a.png"


def test_one_annotation_of_a_photo_is_chosen_and_the_others_are_counted(work, capsys):
    def by(who, label, **fields):
        return {"result": [result({**POLYGON, "polygonlabels": [label]})], "completed_by": who, **fields}

    several = [
        by({"id": 1, "email": "ann@x.org"}, "old", updated_at="2024-01-01T00:00:00Z", id=9),
        by({"id": 2, "email": "bob@x.org"}, "new", updated_at="2024-02-01T00:00:00Z", id=8),
        by(3, "gone", updated_at="2024-03-01T00:00:00Z", was_cancelled=True),
    ]
    content = [{"data": {"image": "a.png"}, "annotations": several}]
    coco, summary, told = read(capsys, content)
    assert list(masks(coco)) == ["new"]
    assert summary["skipped"]["further_annotation_of_an_image"] == 1
    assert "left out: 1 cancelled annotation" in told
    assert list(masks(read(capsys, content, "--annotator", "ann@x.org")[0])) == ["old"]
    coco, summary, _ = read(capsys, content, "--annotator", "2")
    assert list(masks(coco)) == ["new"]
    assert summary["skipped"]["annotation_of_another_annotator"] == 1
    code, _, told = read(capsys, content, "--annotator", "eve")
    assert code == 2
    assert "no annotation is by 'eve' (--annotator); known are 1 (1), ann@x.org (1)" in told
    several[0]["ground_truth"] = True
    assert list(masks(read(capsys, content)[0])) == ["old"]


def test_predictions_are_used_by_option_alone(work, capsys):
    content = [
        task("a.png", result(POLYGON)),
        {
            "data": {"image": "my photo (1).png"},
            "annotations": [],
            "predictions": [{"result": [result(POLYGON)]}],
        },
    ]
    coco, summary, _ = read(capsys, content)
    assert len(coco["images"]) == 1
    assert summary["skipped"] == {"prediction_of_a_model": 1, "image_without_label": 1}
    coco, summary, _ = read(capsys, content, "--predictions")
    assert len(coco["images"]) == len(coco["annotations"]) == 2
    assert summary["skipped"] == {}


def test_what_has_no_inside_or_no_label_is_counted(work, capsys):
    results = [
        result(POLYGON),
        result({"x": 1, "y": 1, "width": 0.5, "keypointlabels": ["eye"]}, "keypointlabels"),
        result({"x": 1, "y": 1, "width": 0.5, "keypointlabels": ["eye"]}, "keypointlabels"),
        {"type": "choices", "value": {"choices": ["ripe"]}},
        {"type": "relation", "from_id": "a", "to_id": "b"},
        result({**POLYGON, "closed": False}),
        result({**POLYGON, "points": [[1, 1], [2, 2]]}),
        result({**POLYGON, "polygonlabels": []}, "polygon"),
        result({**POLYGON, "polygonlabels": ["nut", "fig"]}),
        result(POLYGON, image_rotation=90),
        result({"x": 1, "y": 1, "width": 0, "height": 2, "rectanglelabels": ["nut"]}, "rectanglelabels"),
    ]
    coco, summary, told = read(capsys, [task("a.png", *results), task("/x/gone.png", result(POLYGON))])
    assert len(coco["annotations"]) == 2
    assert summary["skipped"] == {
        "result_of_type_keypoint": 2,
        "result_of_type_choices": 1,
        "result_of_type_relation": 1,
        "shape_on_a_turned_image": 1,
        "polygon_not_closed": 1,
        "polygon_of_fewer_than_3_points": 1,
        "polygon_without_label": 1,
        "further_label_of_a_shape": 1,
        "rectangle_without_area": 1,
        "label_without_image": 1,
        "image_without_label": 1,
    }
    assert "left out: 2 result of type keypoint" in told


def test_a_photo_that_was_submitted_empty_is_kept(work, capsys):
    coco, _, _ = read(capsys, [task("a.png", result(POLYGON)), task("my photo (1).png")])
    assert len(coco["images"]) == 2


def test_a_photo_that_was_annotated_as_stored_keeps_that_size(work, capsys):
    picture = PIL.Image.new("RGB", (WIDTH, HEIGHT))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save("photos/a.jpg", exif=exif)
    for size, stated in (
        ((HEIGHT, WIDTH), SIZE),
        ((WIDTH, HEIGHT), {"original_width": HEIGHT, "original_height": WIDTH}),
    ):
        coco, _, _ = read(capsys, [task("a.jpg", {**result(POLYGON), **stated})], "--yes")
        assert (coco["images"][0]["height"], coco["images"][0]["width"]) == size


BRUSH = label_studio_runs.pack(np.ones((HEIGHT, WIDTH), bool))


def _brush(codes):
    return [task("a.png", result({"format": "rle", "rle": codes, "brushlabels": ["nut"]}, "brushlabels"))]


BAD = {
    "no list": ({"a": 1}, "which is a list of tasks"),
    "no tasks": ([], "lists no tasks"),
    "task a number": ([3], "task [0] is 3: a task has data"),
    "no picture": ([{"data": {"text": "x"}, "annotations": []}], "names a picture"),
    "annotations a number": ([{"data": {"image": "a.png"}, "annotations": 3}], "annotations is 3: give a list"),
    "result a number": ([{"data": {"image": "a.png"}, "annotations": [{"result": 3}]}], "result is 3: give a list"),
    "result of numbers": ([task("a.png", 3)], "result[0] is 3: give an object"),
    "points of text": ([task("a.png", result({**POLYGON, "points": [["a", 1], [2, 3], [4, 5]]}))], "points is 'a'"),
    "points of three": ([task("a.png", result({**POLYGON, "points": [[1, 2, 3]]}))], "a polygon has points [x, y]"),
    "far away": ([task("a.png", result({**POLYGON, "points": [[1e9, 1], [2, 3], [4, 5]]}))], "far outside the image"),
    "huge box": ([task("a.png", result({"x": 1, "y": 1, "width": 1e308, "height": 1e308, "rectanglelabels": ["a"]}))], "result[0]"),
    "box of text": ([task("a.png", result({"x": "1", "y": 1, "width": 1, "height": 1, "rectanglelabels": ["a"]}))], "x is '1'"),
    "another size": ([task("a.png", {**result(POLYGON), "original_width": 81})], "do not belong together"),
    "two sizes": ([task("a.png", result(POLYGON), {**result(POLYGON), "original_width": 40, "original_height": 80})], "do not belong together"),
    "brush of text": (_brush("abc"), "rle is 'abc': give a list of bytes"),
    "brush of large numbers": (_brush([300] * 50), "give a list of bytes"),
    "brush too short": (_brush([1, 2, 3]), "give a list of bytes"),
    "brush cut off": (_brush(BRUSH[:-2]), "rle is damaged or cut off"),
    "brush of another image": (_brush(label_studio_runs.pack_numbers([0] * 16)), "rle holds 16 values, but an image of 40x80 pixels"),
    "brush that claims gigabytes": (_brush([255] * 60), "rle holds 4294967295 values"),
    "brush of wide values": (_brush([*BRUSH[:4], 0xFF, *BRUSH[5:]]), "values of 32 bits"),
    "control character": ([task("a.png", result({**POLYGON, "polygonlabels": ["a\nb"]}))], "control character"),
    "no photo": ([task("gone.png", result(POLYGON))], "there is no such file in photos"),
    "deep": (b"[" * 100_000, "nested more than 200 deep"),
    "utf-16": (json.dumps([task("a.png", result(POLYGON))]).encode("utf-16"), "UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named(work, capsys, case):
    content, words = BAD[case]
    code, _, told = read(capsys, content)
    assert code == 2
    assert words in told
    assert "Traceback" not in told
    assert not (work / "coco.json").exists()
