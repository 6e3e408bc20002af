"""VIA: what a project or export draws comes back in the COCO file; what is left out is counted and said."""

import csv
import io
import json
import math

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from official_yolact.cli import main

HEIGHT, WIDTH = 40, 60
CORNERS = [[3.5, 4.0], [20.25, 6.0], [12.0, 25.5]]
POLYGON = {"name": "polygon", "all_points_x": [3.5, 20.25, 12.0], "all_points_y": [4.0, 6.0, 25.5]}
SHAPES = {
    "polygon": POLYGON,
    "polyline": {"name": "polyline", "all_points_x": [3.5, 20.25, 12, 3.5], "all_points_y": [4, 6, 25.5, 4]},
    "rect": {"name": "rect", "x": 30, "y": 5, "width": 12, "height": 9},
    "circle": {"name": "circle", "cx": 30, "cy": 20, "r": 10.0},
    "ellipse": {"name": "ellipse", "cx": 30, "cy": 20, "rx": 14, "ry": 7, "theta": 0.5},
}


def region(shape=POLYGON, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes or {"class": "nut"}}


def entry(name, *regions):
    return {f"{name}-1": {"filename": name, "size": -1, "regions": list(regions), "file_attributes": {}}}


def to_csv(entries, header="filename"):
    """Write VIA's CSV with Python's own writer."""
    file = io.StringIO()
    writer = csv.writer(file)
    words = "file_size file_attributes region_count region_id region_shape_attributes region_attributes"
    writer.writerow([header, *words.split()])
    for one in entries.values():
        regions = one["regions"]
        for at, each in enumerate(regions or [{"shape_attributes": {}, "region_attributes": {}}]):
            cells = [json.dumps(each[key]) for key in ("shape_attributes", "region_attributes")]
            writer.writerow([one["filename"], one["size"], "{}", len(regions), at, *cells])
    return file.getvalue()


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b c.png"):
        PIL.Image.new("RGB", (WIDTH, HEIGHT), (90, 60, len(name))).save(f"photos/{name}")
    return tmp_path


def read(capsys, content, *options, name="via.json"):
    """Run the command; returns the COCO file, the summary and what was said."""
    data = (
        content
        if isinstance(content, bytes)
        else content
        if isinstance(content, str)
        else json.dumps(content)
    )
    with open(name, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    code = main.main(["data", "via", name, "--images", "photos", "--output", "coco.json", "--json", *options])
    told = capsys.readouterr()
    if code:
        return code, None, told.err
    with open("coco.json") as file:
        return json.load(file), json.loads(told.out), told.err


def masks(coco):
    found = []
    for one in coco["annotations"]:
        rle = coco_mask.merge(coco_mask.frPyObjects(one["segmentation"], HEIGHT, WIDTH))
        found.append(coco_mask.decode(rle) != 0)
    return found


@pytest.mark.parametrize("form", ["export", "project", "version 1", "csv", "csv of version 1", "with a mark"])
def test_all_forms_of_the_file_give_the_same(work, capsys, form):
    entries = {
        **entry("a.png", *[region(shape, **{"class": kind}) for kind, shape in SHAPES.items()]),
        **entry("b c.png"),
    }
    content = entries
    if form == "project":
        content = {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {"region": {}}}
    elif form == "version 1":
        content = {key: {**one, "regions": dict(enumerate(one["regions"]))} for key, one in entries.items()}
    elif form.startswith("csv"):
        content = to_csv(entries, "#filename" if form.endswith("1") else "filename")
    elif form == "with a mark":
        content = b"\xef\xbb\xbf" + json.dumps(entries).encode()
    coco, summary, told = read(capsys, content)
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "b c.png"]
    assert summary["skipped"] == {"image_without_regions": 1}
    assert "without objects: 1 image without regions" in told
    names = {one["id"]: one["name"] for one in coco["categories"]}
    assert list(names.values()) == sorted(SHAPES)
    found = {
        names[one["category_id"]]: mask for one, mask in zip(coco["annotations"], masks(coco), strict=True)
    }
    drawn = coco_mask.frPyObjects([[number for corner in CORNERS for number in corner]], HEIGHT, WIDTH)
    np.testing.assert_array_equal(found["polygon"], coco_mask.decode(drawn)[..., 0] != 0)
    np.testing.assert_array_equal(found["polyline"], found["polygon"])
    square = np.zeros((HEIGHT, WIDTH), bool)
    square[5:14, 30:42] = True
    np.testing.assert_array_equal(found["rect"], square)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    disc = np.hypot(x - 30, y - 20)
    assert found["circle"][disc < 9.5].all()
    assert not found["circle"][disc > 10.5].any()
    along = (x - 30) * math.cos(0.5) + (y - 20) * math.sin(0.5)
    across = (y - 20) * math.cos(0.5) - (x - 30) * math.sin(0.5)
    turned = (along / 14) ** 2 + (across / 7) ** 2
    assert found["ellipse"][turned < 0.85].all()
    assert not found["ellipse"][turned > 1.2].any()


def test_what_has_no_inside_no_class_or_no_photo_is_counted(work, capsys):
    open_line = {"name": "polyline", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]}
    two = {"name": "polygon", "all_points_x": [1, 9], "all_points_y": [1, 1]}
    regions = [
        region(),
        region({"name": "point", "cx": 1, "cy": 2}),
        region(open_line),
        region(two),
        region({"name": "rect", "x": 1, "y": 1, "width": 0, "height": 4}),
        region(POLYGON, **{"class": ""}),
        region(POLYGON, **{"class": {"nut": True, "date": True}}),
        region(POLYGON, **{"class": {"nut": False, "date": True}}),
    ]
    coco, summary, told = read(capsys, {**entry("a.png", *regions), **entry("gone.png", region())})
    assert len(coco["annotations"]) == 2
    assert [one["name"] for one in coco["categories"]] == ["date", "nut"]
    assert summary["skipped"] == {
        "region_point": 1,
        "region_polyline": 1,
        "region_of_fewer_than_3_points": 1,
        "region_rect_without_area": 1,
        "region_without_class": 1,
        "region_of_several_classes": 1,
        "label_without_image": 1,
        "image_without_label": 1,
    }
    assert told.count("left out: 1 ") == 8


def test_the_attribute_of_the_class_is_chosen(work, capsys):
    several = entry("a.png", region(POLYGON, kind="nut", colour="red"), region(POLYGON, kind="nut"))
    code, _, told = read(capsys, several)
    assert code == 2
    assert "'kind' (2 regions), 'colour' (1 regions): choose that of the class with --class-key" in told
    coco, summary, _ = read(capsys, several, "--class-key", "kind")
    assert [one["name"] for one in coco["categories"]] == ["nut"]
    coco, summary, _ = read(capsys, several, "--class-key", "colour")
    assert summary["skipped"]["region_without_class"] == 1
    code, _, told = read(capsys, several, "--class-key", "klass")
    assert code == 2
    assert "no region has the attribute 'klass'" in told
    bare = entry("a.png", {"shape_attributes": POLYGON, "region_attributes": {}})
    code, _, told = read(capsys, bare)
    assert code == 2
    assert "--name" in told
    coco, _, _ = read(capsys, bare, "--name", "balloon")
    assert [one["name"] for one in coco["categories"]] == ["balloon"]


def test_a_class_list_numbers_the_classes(work, capsys):
    (work / "classes.txt").write_text("date\nnut\n")
    coco, _, _ = read(capsys, entry("a.png", region()), "--classes", "classes.txt")
    assert [one["category_id"] for one in coco["annotations"]] == [2]
    code, _, told = read(
        capsys, entry("a.png", region(POLYGON, **{"class": "fig"})), "--classes", "classes.txt"
    )
    assert code == 2
    assert "class is 'fig', which classes.txt does not list" in told


@pytest.mark.parametrize("name", ["A.PNG", "sub/a.png", "https://host/x/b%20c.png", "C:\\photos\\b c.png"])
def test_photos_are_found_by_the_rules_for_names(work, capsys, name):
    coco, _, _ = read(capsys, entry(name, region()))
    assert coco["images"][0]["file_name"] == ("b c.png" if "c.png" in name else "a.png")


BAD = {
    "no entries": ({}, "lists no images"),
    "a list": ([], "no project or export of VIA"),
    "no entry": ({"a": 3}, "an image of VIA has filename and regions"),
    "no shape": (entry("a.png", {"region_attributes": {}}), "a region has shape_attributes"),
    "unknown shape": (entry("a.png", region({"name": "star"})), "the shape is 'star': known are polygon"),
    "axes of two lengths": (
        entry("a.png", region({**POLYGON, "all_points_x": [1, 2]})),
        "two lists of as many numbers",
    ),
    "text for a number": (entry("a.png", region({**POLYGON, "all_points_x": [1, 2, "x"]})), "a point is 'x'"),
    "far away": (entry("a.png", region({**POLYGON, "all_points_x": [1, 2, 1e9]})), "far outside the image"),
    "huge circle": (
        entry("a.png", region({"name": "circle", "cx": 1, "cy": 1, "r": 1e300})),
        "far outside the image",
    ),
    "control character": (entry("a.png", region(POLYGON, **{"class": "a\nb"})), "control character"),
    "photo twice": ({**entry("a.png", region()), **entry("A.png", region())}, "filename names a.png, as"),
    "no photo": (entry("gone.png", region()), "there is no such file in photos"),
    "deep": ("[" * 100_000, "nested more than 200 deep"),
    "key twice": ('{"a": 1, "a": 2}', "occurs twice"),
    "other csv": ("filename,b\na,b\n", "neither JSON nor CSV of VIA"),
    "short line": (to_csv(entry("a.png", region())) + "a.png,1\n", "line 3: 2 cells, fewer than"),
    "no json in a cell": (
        to_csv(entry("a.png", region())).replace("[3.5", "[[3.5"),
        "line 2: region_shape_attributes: not JSON",
    ),
    "utf-16": (json.dumps(entry("a.png", region())).encode("utf-16"), "UTF-8"),
    "no text": (b"\xff\xfe\xfd", "UTF-8"),
    "empty": ("", "lists no images"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named(work, capsys, case):
    content, words = BAD[case]
    code, _, told = read(capsys, content)
    assert code == 2
    assert words in told
    assert "Traceback" not in told
    assert not (work / "coco.json").exists()


def test_of_two_entries_of_one_photo_the_empty_one_is_passed_over(work, capsys):
    twice = {**entry("a.png"), "a.png99": {"filename": "a.png", "size": 99, "regions": [region()]}}
    coco, _, _ = read(capsys, twice)
    assert len(coco["images"]) == len(coco["annotations"]) == 1
