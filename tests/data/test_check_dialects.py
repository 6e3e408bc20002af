"""Every dialect of COCO JSON that tools are known to write, each with its stated outcome."""

from __future__ import annotations

import copy
import dataclasses
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from official_yolact.coco import annotations as coco_annotations

Case = Any
ALLOWED = {"D15", "D17", "D19", "D35", "D53"}
"""Few objects are rare and covered badly; an image may lose its objects, a folder have more photos."""


@dataclasses.dataclass(frozen=True)
class Row:
    """What spoils the set, which codes must be found besides infos of the set, exit code, and whether
    `--fix` repairs all of it."""

    name: str
    spoil: Callable[[Case], Any]
    codes: set[str]
    exit_code: int
    fixed: bool = True
    options: tuple[str, ...] = ()


def each(case: Case, **fields: Any) -> None:
    for annotation in case.data["annotations"]:
        annotation.update(fields)


def one(case: Case, **fields: Any) -> None:
    case.data["annotations"][4].update(fields)


def without(case: Case, field: str) -> None:
    for annotation in case.data["annotations"]:
        del annotation[field]


def mask_of(annotation: dict[str, Any]) -> np.ndarray:
    x, y, width, height = (int(v) for v in annotation["bbox"])
    mask = np.zeros((96, 128), np.uint8, order="F")
    mask[y : y + height, x : x + width] = 1
    return mask


def as_rle(case: Case, compressed: bool, crowd: int) -> None:
    for annotation in case.data["annotations"]:
        mask = mask_of(annotation)
        counts: Any = coco_mask.encode(mask)["counts"].decode()
        if not compressed:
            flat = np.concatenate([[0], mask.T.ravel(), [1 - mask[-1, -1]]])
            counts = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat)), [mask.size]])).tolist()
        annotation.update(segmentation={"size": [96, 128], "counts": counts}, iscrowd=crowd)


def rename(case: Case, change: Callable[[str], str]) -> None:
    for image in case.data["images"]:
        image["file_name"] = change(image["file_name"])


def spoil_names(case: Case) -> None:
    rename(case, lambda name: f"my%20photo%20{name}")
    for i in (1, 2, 3):
        (case.images / f"{i}.jpg").rename(case.images / f"my photo {i}.jpg")


def swap_sizes(case: Case) -> None:
    for image in case.data["images"]:
        image["height"], image["width"] = 128, 96


def turn_by_exif(case: Case) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    case.draw(1, 128, 96).save(case.images / "1.jpg", exif=exif)


def stay_as_stored(case: Case) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    case.draw(1).save(case.images / "1.jpg", exif=exif)


def count_from_zero(case: Case) -> None:
    for category in case.data["categories"]:
        category["id"] -= 1
    for annotation in case.data["annotations"]:
        annotation.update(
            id=annotation["id"] - 1,
            image_id=annotation["image_id"] - 1,
            category_id=annotation["category_id"] - 1,
        )
    for image in case.data["images"]:
        image["id"] -= 1


def add_root(case: Case) -> None:
    for category in case.data["categories"]:
        category["supercategory"] = "fruit"
    case.data["categories"].insert(0, {"id": 0, "name": "fruit", "supercategory": "none"})


def other_split(case: Case, change: Callable[[Any], Any], photos: bool = False) -> None:
    keep, keep_folder = case.data, case.images
    case.data = copy.deepcopy(keep)
    change(case.data)
    case.write("other.json")
    case.data = keep
    folder = case.folder / "other"
    folder.mkdir()
    for i in (1, 2, 3):
        if photos:
            shutil.copy(keep_folder / f"{i}.jpg", folder / f"{i}.jpg")
        else:
            case.draw(10 + i).save(folder / f"{i}.jpg")


def reorder(data: Any) -> None:
    data["categories"] = [{"id": 1, "name": "date"}, {"id": 2, "name": "fig"}]


def other_names(data: Any) -> None:
    data["categories"][1]["name"] = "dates"


def convert_photo(mode: str, suffix: str, **options: Any) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        picture = case.draw(1)
        if mode == "I;16":
            picture = PIL.Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) << 8)
        else:
            picture = picture.convert(mode)
        (case.images / "1.jpg").unlink()
        picture.save(case.images / f"1.{suffix}", **options)
        case.data["images"][0]["file_name"] = f"1.{suffix}"

    return spoil


def crowd_the_first_image(case: Case, number: int) -> None:
    template = case.data["annotations"][0]
    for i in range(number):
        x, y, side = 2 + 8 * (i % 12), 2 + 7 * (i // 12), template["bbox"][2]
        square = [x, y, x + side, y, x + side, y + side, x, y + side]
        shape = {"bbox": [x, y, side, side], "segmentation": [square]}
        case.data["annotations"].append({**template, **shape, "id": 100 + i})


def mark_crowd(case: Case, of: int, number: int) -> None:
    template = case.data["annotations"][0]
    case.data["annotations"] = [
        {**template, "id": i, "image_id": 1 + i % 3, "iscrowd": int(i <= number)} for i in range(1, of + 1)
    ]
    as_it_is = case.data["annotations"]
    for annotation in as_it_is[::2]:
        annotation["category_id"] = 2


def join_files(case: Case) -> None:
    case.data["images"][1]["file_name"] = "1.jpg"


OTHER = ("--against", "OTHER", "--against-images", "OTHERDIR")
ROWS = [
    Row("small at the input", lambda case: None, {"D11"}, 0, options=("--input-size", "16", "16")),
    Row("class without objects", lambda case: case.data["categories"].append({"id": 3, "name": "nut"}), {"D16"}, 1, False),
    Row("category ids with gaps", lambda case: (case.data["categories"][1].update(id=90), [a.update(category_id=90) for a in case.data["annotations"] if a["category_id"] == 2]), {"D27"}, 0),
    Row("categories out of order", lambda case: case.data["categories"].reverse(), {"D28"}, 0),
    Row("box far over the border", lambda case: one(case, bbox=[100, 40, 50, 20], segmentation=[[100, 40, 150, 40, 150, 60, 100, 60]]), {"D78", "D79"}, 1),
    Row("mask far over the border", lambda case: one(case, bbox=[100, 40, 28, 20], area=560, segmentation=[[100, 40, 150, 40, 150, 60, 100, 60]]), {"D79"}, 0),
    Row("as COCO has it", lambda case: None, set(), 0),
    Row("uncompressed run lengths, iscrowd 0", lambda case: as_rle(case, False, 0), set(), 0),
    Row("compressed run lengths, iscrowd 0", lambda case: as_rle(case, True, 0), set(), 0),
    Row("uncompressed run lengths, all crowd", lambda case: as_rle(case, False, 1), {"D07"}, 1),
    Row("compressed run lengths, all crowd", lambda case: as_rle(case, True, 1), {"D07"}, 1),
    Row("box edge 128.0001 of 128", lambda case: one(case, bbox=[108.0, 10.0, 20.0001, 20.0], segmentation=[[108, 10, 128, 10, 128, 30, 108, 30]], area=400), {"D63"}, 0),
    Row("box from -0.5", lambda case: one(case, bbox=[-0.5, 10.0, 20.5, 20.0], segmentation=[[0, 10, 20, 10, 20, 30, 0, 30]], area=400), {"D63"}, 0),
    Row("no iscrowd", lambda case: without(case, "iscrowd"), {"D33"}, 0),
    Row("no area", lambda case: without(case, "area"), {"D75"}, 0),
    Row("area of the box", lambda case: one(case, bbox=[10, 10, 40, 40], segmentation=[[10, 10, 50, 10, 10, 50]], area=1600), {"D74"}, 1),
    Row("no segmentation", lambda case: without(case, "segmentation"), {"D03"}, 1, fixed=False),
    Row("one empty segmentation", lambda case: one(case, segmentation=[]), {"D03"}, 1),
    Row("polygon of two points", lambda case: case.data["annotations"][4]["segmentation"].append([1, 2, 3, 4]), {"D65"}, 1),
    Row("flat polygon", lambda case: one(case, segmentation=case.data["annotations"][4]["segmentation"][0]), {"D66"}, 1),
    Row("polygon of pairs", lambda case: one(case, segmentation=np.reshape(case.data["annotations"][4]["segmentation"][0], (-1, 2)).tolist()), {"D66"}, 1),
    Row("category not listed", lambda case: one(case, category_id=7), {"D05"}, 1),
    Row("ids from 0", count_from_zero, {"D26", "D36"}, 0),
    Row("root category", add_root, {"D18", "D26"}, 1),
    Row("category order differs", lambda case: other_split(case, reorder), {"D25"}, 1, options=OTHER),
    Row("category names differ", lambda case: other_split(case, other_names), {"D06"}, 1, False, OTHER),
    Row("server paths", lambda case: rename(case, lambda name: f"/srv/upload/7/{name}"), {"D41"}, 1),
    Row("backslashes", lambda case: rename(case, lambda name: f"C:\\data\\{name}"), {"D41"}, 1),
    Row("images/ before", lambda case: rename(case, lambda name: f"images/{name}"), {"D41"}, 1),
    Row("other case", lambda case: rename(case, str.upper), {"D41"}, 1),
    Row("url-encoded", spoil_names, {"D41"}, 1),
    Row("label studio's query", lambda case: rename(case, lambda name: f"/data/local-files/?d=photos%5C{name}"), {"D41"}, 1),
    Row("height and width swapped", swap_sizes, {"D04"}, 1),
    Row("orientation 6, annotated upright", turn_by_exif, {"D49"}, 0),
    Row("orientation 6, annotated as stored", stay_as_stored, {"D46"}, 0),
    Row("annotation id twice", lambda case: one(case, id=1), {"D01"}, 1),
    Row("annotation of no image", lambda case: one(case, image_id=99), {"D02"}, 1),
    Row("image id twice", lambda case: case.data["images"][1].update(id=1), {"D20", "D02"}, 1),
    Row("two images, one file", join_files, {"D22"}, 1),
    Row("no annotations", lambda case: case.data.update(annotations=[]), {"D00"}, 1, fixed=False),
    Row("same photo in both splits", lambda case: other_split(case, lambda data: None, photos=True), {"D12"}, 1, False, OTHER),
    Row("corrupt photo", lambda case: (case.images / "1.jpg").write_bytes(b"\xff\xd8 nothing"), {"D43"}, 1),
    Row("CMYK", convert_photo("CMYK", "jpg"), {"D48"}, 0),
    Row("16 bits", convert_photo("I;16", "png"), {"D48"}, 0),
    Row("TIFF", convert_photo("RGB", "tiff"), {"D48"}, 0),
    Row("WebP", convert_photo("RGB", "webp"), {"D48"}, 0),
    Row("palette", convert_photo("P", "png"), {"D48"}, 0),
    Row("dense scene", lambda case: crowd_the_first_image(case, 118), {"D10"}, 1, fixed=False),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_dialect_has_its_outcome_and_its_repair(row: Row, coco_case: Case, codes_of: Any) -> None:
    row.spoil(coco_case)
    places = {"OTHER": str(coco_case.folder / "other.json"), "OTHERDIR": str(coco_case.folder / "other")}
    options = [places.get(option, option) for option in row.options]
    clean = coco_case.folder / "clean.json"
    code, printed, errors = coco_case.check(*options)
    found = codes_of(printed)
    assert set(found) - ALLOWED == row.codes, errors
    assert code == row.exit_code
    before = (coco_case.folder / "a.json").read_bytes()
    code, printed, errors = coco_case.check(*options, "--fix", "--yes", "--output", str(clean))
    assert (coco_case.folder / "a.json").read_bytes() == before
    if not row.fixed:
        assert code in (1, 2)
        assert clean.exists() == (code == 1)
        return
    assert code == 0, errors
    assert not {row["code"] for row in printed["fixed"]["findings"] if row["severity"] != "info"}
    coco_annotations.read(str(clean))


def test_almost_everything_crowd_is_said_in_numbers(coco_case: Case, codes_of: Any) -> None:
    mark_crowd(coco_case, 430, 412)
    _, printed, errors = coco_case.check()
    detail = codes_of(printed)["D07"]["detail"]
    assert "412 of 430 annotations are crowd; real COCO has about 1 %" in detail
    assert "--crowd=as-instance" in detail
    assert "412 of 430" in errors


def test_a_few_crowds_are_usual(coco_case: Case, codes_of: Any) -> None:
    mark_crowd(coco_case, 430, 5)
    assert "D07" not in codes_of(coco_case.check()[1])


def test_the_padding_comes_with_a_histogram(coco_case: Case, codes_of: Any) -> None:
    crowd_the_first_image(coco_case, 118)
    finding = codes_of(coco_case.check()[1])["D10"]
    assert "22 objects beyond 100, at most 122 in one image" in finding["detail"]
    assert "0-9: 2" in finding["detail"]
    assert "100-199: 1" in finding["detail"]
    assert finding["first"][0]["file_name"] == "1.jpg"
    assert "D10" not in codes_of(coco_case.check("--max-instances", "122")[1])


def test_category_ids_follow_the_other_split_by_name(coco_case: Case, tmp_path: pathlib.Path) -> None:
    other_split(coco_case, reorder)
    clean = str(tmp_path / "clean.json")
    options = ("--against", str(tmp_path / "other.json"), "--against-images", str(tmp_path / "other"))
    assert coco_case.check(*options, "--fix", "-o", clean)[0] == 0
    names = {category["name"]: category["id"] for category in coco_case.data["categories"]}
    source = coco_annotations.read(clean)
    assert dict(zip(source.categories.names, source.categories.ids, strict=True)) == {"date": 1, "fig": 2}
    ids = {a.id: a.category_id for listed in source.annotations.values() for a in listed}
    swap = {names["fig"]: 2, names["date"]: 1}
    assert ids == {a["id"]: swap[a["category_id"]] for a in coco_case.data["annotations"]}


def test_a_photo_saved_again_is_found_in_the_other_split(coco_case: Case, codes_of: Any) -> None:
    other_split(coco_case, lambda data: None)
    with PIL.Image.open(coco_case.images / "2.jpg") as picture:
        picture.resize((100, 75)).save(coco_case.folder / "other" / "3.jpg", quality=60)
    options = ["--against", f"{coco_case.folder}/other.json", "--against-images", f"{coco_case.folder}/other"]
    finding = codes_of(coco_case.check(*options)[1])["D13"]
    assert [example["id"] for example in finding["first"]] == [2]
    assert "3.jpg" in finding["first"][0]["note"]
