"""Annotations and images that crash, hang or deceive today's converters: each is found by name."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest

Case = Any


@dataclasses.dataclass(frozen=True)
class Row:
    """What spoils the set, a code that must be found, and what its first example says."""

    name: str
    spoil: Callable[[Case], Any]
    code: str
    says: str = ""
    exit_code: int = 1
    fixed: bool = True


def one(**fields: Any) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        case.data["annotations"][4].update(fields)

    return spoil


def lose(field: str) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        del case.data["annotations"][4][field]

    return spoil


def image(**fields: Any) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        case.data["images"][1].update(fields)

    return spoil


def code(counts: Any, size: Any = (96, 128)) -> Callable[[Case], None]:
    return one(segmentation={"size": list(size), "counts": counts})


def polygon(*numbers: Any) -> Callable[[Case], None]:
    return one(segmentation=[list(numbers)])


def photo(content: bytes, name: str = "2.jpg") -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        (case.images / name).write_bytes(content)

    return spoil


def cut(share: float, suffix: str = "jpg") -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        path = case.images / f"2.{suffix}"
        case.draw(2).save(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        case.data["images"][1]["file_name"] = path.name

    return spoil


def zeroed(case: Case) -> None:
    """Zero 200 bytes in the middle of the compressed data."""
    path = case.images / "2.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    PIL.Image.fromarray(noise).save(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(bytes(data))


def floating(case: Case) -> None:
    PIL.Image.new("F", (128, 96)).save(case.images / "2.tiff")
    case.data["images"][1]["file_name"] = "2.tiff"


def bomb(width: int, height: int) -> bytes:
    """Make a PNG whose header claims a size and whose pixels are missing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def lying_jpeg(case: Case) -> None:
    """Let the frame header of a JPEG claim 60000 by 60000."""
    path = case.images / "2.jpg"
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 60000, 60000)
    path.write_bytes(bytes(data))


def link_outside(case: Case) -> None:
    case.draw(9).save(case.folder / "secret.jpg")
    (case.images / "link.jpg").symlink_to(case.folder / "secret.jpg")
    case.data["images"][1]["file_name"] = "link.jpg"


def climb_outside(case: Case) -> None:
    case.draw(9).save(case.folder / "secret.jpg")
    case.data["images"][1]["file_name"] = "../secret.jpg"


def save_as_png(case: Case) -> None:
    case.draw(2).save(case.images / "2.jpg", "PNG")


def category(**fields: Any) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        case.data["categories"][1].update(fields)

    return spoil


def same_photo_twice(case: Case) -> None:
    (case.images / "2.jpg").write_bytes((case.images / "1.jpg").read_bytes())


SQUARE = [40, 10, 60, 10, 60, 30, 40, 30]
NAN, INF = float("nan"), float("inf")
ROWS = [
    Row("unknown category", one(category_id=77), "D05", "5 (2.jpg) category_id 77"),
    Row("box of 3", one(bbox=[1, 2, 3]), "D70", "5 (2.jpg) bbox [1, 2, 3]"),
    Row("box of text", one(bbox=["a", 1, 2, 3]), "D70"),
    Row("no box", lose("bbox"), "D71", "5 (2.jpg)", 0),
    Row("no area", lose("area"), "D75", "5 (2.jpg)", 0),
    Row("no iscrowd", lose("iscrowd"), "D33", "5 (2.jpg)", 0),
    Row("no segmentation", lose("segmentation"), "D03", "5 (2.jpg) segmentation None"),
    Row("segmentation null", one(segmentation=None), "D03"),
    Row("segmentation [[]]", one(segmentation=[[]]), "D03"),
    Row("segmentation is a number", one(segmentation=3), "D60", "segmentation 3"),
    Row("segmentation is text", one(segmentation="Zn0n"), "D60"),
    Row("segmentation of text", one(segmentation=[["a", "b"]]), "D60"),
    Row("segmentation of objects", one(segmentation=[{}, 3]), "D60"),
    Row("no height", lambda case: case.data["images"][1].pop("height"), "D50", "2 file_name '2.jpg'", 0),
    Row("height 0", image(height=0, width=0), "D51", "2 (2.jpg) height 0"),
    Row("height text", image(height="high"), "D51", "2 (2.jpg) height 'high'"),
    Row("height as text", image(height="96"), "D23", "2 (2.jpg) height '96'", 0),
    Row("polygon of 1 point", polygon(1, 2), "D65"),
    Row("polygon of 2 points", polygon(1, 2, 3, 4), "D65"),
    Row("odd polygon", polygon(1, 2, 3, 4, 5, 6, 7), "D60"),
    Row("crowd as polygons", one(iscrowd=1), "D15", "", 0),
    Row("iscrowd 2", one(iscrowd=2), "D34", "5 (2.jpg) iscrowd 2"),
    Row("iscrowd a list", one(iscrowd=[1]), "D34"),
    Row("size 50 x 50", code([1000, 1500], (50, 50)), "D67", "'size': [50, 50]"),
    Row("sizes swapped", code([96 * 128], (128, 96)), "D67"),
    Row("image 50 x 50", image(height=50, width=50), "D04", "stated 50x50, file 96x128"),
    Row("image of a larger copy", image(height=192, width=256), "D04", "stated 192x256", fixed=False),
    Row("image id twice", image(id=1), "D20"),
    Row("category id twice", category(id=1), "D21", "1 name 'fig'", fixed=False),
    Row("category name twice", category(name="fig"), "D29"),
    Row("category without name", category(name=None), "D30", "2 name None"),
    Row("category id -1", category(id=-1), "D05"),
    Row("image ids as text", lambda case: [i.update(id=str(i["id"])) for i in case.data["images"]], "D23", "1", 0),
    Row("image ids are words", lambda case: ([i.update(id=f"n{i['id']}") for i in case.data["images"]], [a.update(image_id=f"n{a['image_id']}") for a in case.data["annotations"]]), "D37", "n1"),
    Row("annotation without id", lose("id"), "D24", "annotations[4] (2.jpg) id None"),
    Row("image without id", lambda case: case.data["images"][1].pop("id"), "D24"),
    Row("image_id null", one(image_id=None), "D32", "5 image_id None"),
    Row("category_id a list", one(category_id=[1]), "D32", "5 (2.jpg) category_id [1]"),
    Row("annotation of no image", one(image_id=12345), "D02", "5 image_id 12345"),
    Row("entry is a number", lambda case: case.data["annotations"].append(3), "D31", "annotations[12] is a int"),
    Row("NaN in box", one(bbox=[NAN, 1, 2, 3]), "D61", "5 (2.jpg) bbox [nan"),
    Row("infinite box", one(bbox=[1, 1, INF, 3]), "D61"),
    Row("NaN area", one(area=NAN), "D61", "5 (2.jpg) area nan"),
    Row("negative area", one(area=-3), "D76", "area -3"),
    Row("NaN polygon", polygon(NAN, 1, 10, 1, 10, 10), "D61", "segmentation"),
    Row("infinite polygon", polygon(INF, 1, 10, 1, 10, 10), "D61"),
    Row("polygon at 5e7", polygon(5e7, 1, 10, 1, 10, 10), "D62", "5 (2.jpg) segmentation [[50000000.0"),
    Row("polygon at 1e300", polygon(1e300, 1, 10, 1, -1e300, 10), "D62"),
    Row("integer without a float", polygon(10**400, 1, 10, 1, 10, 10), "D61"),
    Row("box at 1e9", one(bbox=[1e9, 1, 10, 10]), "D62"),
    Row("polygon outside", polygon(200, 10, 220, 10, 220, 30), "D64"),
    Row("box without width", one(bbox=[10, 10, 0, 5]), "D72"),
    Row("negative width", one(bbox=[10, 10, -5, 5]), "D72"),
    Row("box outside", one(bbox=[130, 10, 10, 10]), "D72"),
    Row("box not the mask's", one(bbox=[90, 60, 20, 20], segmentation=[SQUARE]), "D73"),
    Row("area not the mask's", one(area=5), "D76"),
    Row("sub-pixel instance", one(segmentation=[[10.1, 10.1, 10.2, 10.1, 10.2, 10.2]], bbox=[10.1, 10.1, 0.1, 0.1], area=0.01), "D69"),
    Row("polygon without area", polygon(30, 10, 40, 20, 30, 10), "D69"),
    Row("empty run lengths", code([96 * 128]), "D69"),
    Row("long outline", polygon(*[0, 0, 128, 96, 0, 96, 128, 0] * 4000), "D77"),
    Row("counts too short", code([10, 20]), "D68", "5 (2.jpg) segmentation"),
    Row("counts empty", code(""), "D68"),
    Row("counts '0'", code("0"), "D68"),
    Row("counts zzzz", code("zzzz"), "D68"),
    Row("counts négatif", code("né"), "D68"),
    Row("negative counts", code([-5, 96 * 128 + 5]), "D68"),
    Row("huge counts", code([10**30]), "D68"),
    Row("counts of text", code(["a"]), "D68"),
    Row("counts missing", one(segmentation={"size": [96, 128]}), "D68"),
    Row("size of 1e5", code([10**10], (100000, 100000)), "D67"),
    Row("name missing", image(file_name=None), "D52", "2 file_name None"),
    Row("name a list", image(file_name=["a"]), "D52"),
    Row("name with NUL", image(file_name="a\0b.jpg"), "D52"),
    Row("name that is too long", image(file_name="a" * 5000 + ".jpg"), "D40"),
    Row("name of the folder", image(file_name="."), "D40"),
    Row("no such file", image(file_name="none.jpg"), "D40", "2 file_name 'none.jpg'"),
    Row("climbs out", climb_outside, "D42", "2 file_name '../secret.jpg'"),
    Row("absolute", image(file_name="/etc/hostname"), "D42", "2 file_name '/etc/hostname'"),
    Row("link outside", link_outside, "D42", "2 file_name 'link.jpg'"),
    Row("zero bytes", photo(b""), "D43", "2 file_name '2.jpg' empty file"),
    Row("HTML", photo(b"<html>not found</html>"), "D43", "no known image format"),
    Row("zeros in a JPEG", zeroed, "D43", "2 file_name '2.jpg' "),
    Row("floating-point pixels", floating, "D43", "floating-point"),
    Row("half a JPEG", cut(0.5), "D44"),
    Row("JPEG less its end", cut(0.97), "D44"),
    Row("half a PNG", cut(0.5, "png"), "D44"),
    Row("PNG behind .jpg", save_as_png, "D45", "2 file_name '2.jpg' is PNG", fixed=False),
    Row("20000 x 20000 in few bytes", photo(bomb(20000, 20000)), "D47"),
    Row("30000 x 30000 in few bytes", photo(bomb(30000, 30000)), "D47"),
    Row("8000 x 8000 in few bytes", photo(bomb(8000, 8000)), "D47", "8000x8000 pixels are more than 50000000"),
    Row("JPEG that claims 60000 x 60000", lying_jpeg, "D47"),
    Row("stated size is huge", image(height=10**6, width=10**6), "D04", "stated 1000000x1000000, file 96x128"),
    Row("one photo twice", same_photo_twice, "D14", "", fixed=False),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace("é", "e"))
def test_each_case_is_found_with_file_id_and_field(row: Row, coco_case: Case, codes_of: Any) -> None:
    row.spoil(coco_case)
    clean = coco_case.folder / "clean.json"
    page = coco_case.folder / "page.html"
    exit_code, printed, errors = coco_case.check(
        "--fix", "--yes", "--output", str(clean), "--html", str(page)
    )
    assert f"{row.code} " in page.read_text(encoding="utf-8")
    finding = codes_of(printed)[row.code]
    assert printed["severities"]["error"] + printed["severities"]["warning"] > 0 or row.exit_code == 0
    assert finding["count"] >= 1
    assert finding["consequence"]
    assert finding["cure"]
    assert row.says in errors.replace("\n       ", " "), errors
    left = {each["code"] for each in printed["fixed"]["findings"] if each["severity"] != "info"}
    assert (row.code not in left) == row.fixed
    assert exit_code == int(bool(left)), left


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 200_000, "not JSON"),
        ("[1, 2]", "a list, not an object"),
        ("null", "a NoneType, not an object"),
        ("{}", "has no images"),
        ('{"images": [], "annotations": {}}', "annotations is {}"),
        ('{"images": [], "annotations": []}', "has no categories"),
        ('{"images": ' + "9" * 5000 + "}", "not JSON"),
    ],
)
def test_what_is_no_coco_file_is_unusable(text: str, message: str, coco_case: Case) -> None:
    coco_case.data = text
    exit_code, printed, errors = coco_case.check()
    assert (exit_code, printed) == (2, {})
    assert message in errors
    assert "a.json" in errors


def test_all_sections_empty_are_one_error_each(coco_case: Case) -> None:
    coco_case.data = {"images": [], "annotations": [], "categories": []}
    exit_code, printed, _ = coco_case.check()
    assert exit_code == 1
    assert [row["code"] for row in printed["findings"] if row["severity"] == "error"] == ["D00"] * 3
    exit_code, _, errors = coco_case.check("--fix", "-o", str(coco_case.folder / "clean.json"))
    assert exit_code == 2
    assert "nothing is written" in errors
    assert not (coco_case.folder / "clean.json").exists()


def test_a_wrong_folder_is_unusable_and_a_wrong_one_is_not_repaired_away(
    coco_case: Case, tmp_path: pathlib.Path
) -> None:
    images = coco_case.images
    coco_case.images = tmp_path / "none"
    exit_code, _, errors = coco_case.check()
    assert exit_code == 2
    assert "no such image folder" in errors
    coco_case.images = tmp_path / "empty"
    coco_case.images.mkdir()
    exit_code, _, errors = coco_case.check("--fix", "-o", str(tmp_path / "clean.json"))
    assert exit_code == 2
    assert "would leave 0 images" in errors
    assert not (tmp_path / "clean.json").exists()
    assert len(os.listdir(images)) == 3


def test_without_images_names_that_lead_out_are_still_found(coco_case: Case, codes_of: Any) -> None:
    coco_case.data["images"][1]["file_name"] = "a/../../x.jpg"
    coco_case.data["images"][2]["file_name"] = "..\\x.jpg"
    exit_code, printed, _ = coco_case.check(images=False)
    assert exit_code == 1
    assert [example["id"] for example in codes_of(printed)["D42"]["first"]] == [2, 3]


def test_headers_tell_sizes_and_formats_but_not_damage(coco_case: Case, codes_of: Any) -> None:
    cut(0.5)(coco_case)
    save_as_png(coco_case)
    coco_case.draw(3, 50, 60).save(coco_case.images / "3.jpg")
    cut(0.5)(coco_case)
    exit_code, printed, _ = coco_case.check("--headers")
    assert exit_code == 1
    assert "D44" not in codes_of(printed)
    assert "D04" in codes_of(printed)
    assert {"D04", "D44"} <= set(codes_of(coco_case.check()[1]))


def test_swapped_sizes_are_named_as_such(coco_case: Case, codes_of: Any) -> None:
    for image_entry in coco_case.data["images"]:
        image_entry["height"], image_entry["width"] = 128, 96
    finding = codes_of(coco_case.check()[1])["D04"]
    assert finding["count"] == 3
    assert finding["detail"] == "3 are swapped"
    assert "stated 128x96, file 96x128 (height x width), swapped" in finding["first"][0]["note"]
