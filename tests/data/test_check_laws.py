"""Laws of `--fix`, whatever spoils a set: nothing is lost without a finding of the input, nothing is changed twice."""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import fuzzing
import pytest

from official_yolact.data.checking import check
from official_yolact.data.checking import checks
from official_yolact.data.checking import codes
from official_yolact.data.checking import file_facts
from official_yolact.data.checking import findings
from official_yolact.data.checking import meaning
from official_yolact.data.checking import repair
from official_yolact.data.checking import view as view_lib

HEIGHT, WIDTH = 96, 128
TRIPLES = max(fuzzing.COUNT, 300)
PAIRS = 400 if fuzzing.COUNT < TRIPLES else None  # `make fuzz` tries all
REMOVING = {"D02", "D03", "D05", "D32", "D60", "D61", "D62", "D64", "D65", "D67", "D68", "D69", "D77"}
WITH_THE_IMAGE = {"D20", "D24", "D40", "D42", "D43", "D44", "D52"}
Data = dict[str, Any]
Spoil = Callable[[Data], Any]


def make_data() -> Data:
    """Make four photos with three squares each of three classes."""
    annotations = []
    for i in range(12):
        x, y, side = 8 + 6 * (i % 5), 10 + 7 * (i % 4), 20 + i
        square = [x, y, x + side, y, x + side, y + side, x, y + side]
        box = [x, y, side, side]
        annotations.append(
            {"id": i + 1, "image_id": 1 + i // 3, "category_id": 1 + i % 3, "bbox": box, "area": side * side,
             "iscrowd": 0, "segmentation": [square], "key": i}
        )  # fmt: skip
    images = [{"id": i, "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH} for i in (1, 2, 3, 4)]
    classes = [
        {"id": i, "name": name, "supercategory": "fruit"} for i, name in enumerate(("fig", "date", "nut"), 1)
    ]
    return {"images": images, "annotations": annotations, "categories": classes}


def one(at: int = 4, **fields: Any) -> Spoil:
    return lambda data: data["annotations"][at].update(copy.deepcopy(fields))


def every(**fields: Any) -> Spoil:
    return lambda data: [a.update(copy.deepcopy(fields)) for a in data["annotations"]]


def image(at: int = 1, **fields: Any) -> Spoil:
    return lambda data: data["images"][at].update(fields)


def category(at: int = 1, **fields: Any) -> Spoil:
    return lambda data: data["categories"][at].update(fields)


def lose(section: str, field: str, at: int = 4) -> Spoil:
    return lambda data: data[section][at].pop(field, None)


def change_ids(section: str, field: str, change: Callable[[Any], Any]) -> Spoil:
    def spoil(data: Data) -> None:
        for entry in data[section]:
            entry["id"] = change(entry.get("id"))
        for annotation in data["annotations"]:
            annotation[field] = change(annotation.get(field))

    return spoil


def root(name: str) -> Spoil:
    return lambda data: data["categories"].insert(0, {"id": 0, "name": name, "supercategory": "none"})


def again(section: str, at: int = 1, **fields: Any) -> Spoil:
    return lambda data: data[section].append({**data[section][at], **fields})


def code_of(data: Data, write: Callable[[int], Any]) -> None:
    for annotation in data["annotations"][::2]:
        runs = [write(run) for run in (970, 30, 66, 30, HEIGHT * WIDTH - 1096)]
        annotation["segmentation"] = {"size": [write(HEIGHT), write(WIDTH)], "counts": runs}


def nest(data: Data, deep: bool) -> None:
    for annotation in data["annotations"][1::2]:
        if isinstance(annotation["segmentation"], list) and annotation["segmentation"]:
            part = annotation["segmentation"][0]
            if isinstance(part, list):
                points = [list(pair) for pair in itertools.batched(part, 2)] if hasattr(itertools, "batched") else [
                    part[at : at + 2] for at in range(0, len(part), 2)
                ]  # fmt: skip
                annotation["segmentation"] = [points] if deep else points


def only_object_lies_outside(data: Data) -> None:
    """Add a class above the others, whose one object is not on the photo."""
    data["categories"].insert(0, {"id": 9, "name": "fruit", "supercategory": "none"})
    shape = [[300, 10, 320, 10, 320, 30]]
    data["annotations"].append(
        {"id": 90, "image_id": 1, "category_id": 9, "segmentation": shape, "iscrowd": 0, "key": 90}
    )


SPOILINGS: dict[str, Spoil] = {
    "object twice": again("annotations", 1, id=50, key=50),
    "object twice of another class": again("annotations", 2, id=51, key=51, category_id=1),
    "name in capitals": category(name="FIG"),
    "root": root("fruit"),
    "root of a class's name": root("date"),
    "root's only object outside": only_object_lies_outside,
    "annotation id twice": one(id=1),
    "annotation id 0": one(0, id=0),
    "annotation id text": one(id="5"),
    "annotation without id": lose("annotations", "id"),
    "unknown image": one(image_id=77),
    "unknown category": one(5, category_id=77),
    "category null": one(6, category_id=None),
    "no segmentation": lose("annotations", "segmentation"),
    "flat": lambda data: one(7, segmentation=[30, 10, 50, 10, 50, 30])(data),
    "points": lambda data: nest(data, deep=False),
    "nested points": lambda data: nest(data, deep=True),
    "run lengths": lambda data: code_of(data, int),
    "run lengths as fractions": lambda data: code_of(data, float),
    "run lengths as text": lambda data: code_of(data, str),
    "numbers of text": lambda data: one(6, segmentation=[["30", "10", "50", "10", "50", "30"]])(data),
    "named points": one(1, segmentation=[{"x": 30, "y": 10}, {"x": 50, "y": 10}, {"x": 50, "y": 30}]),
    "nested twice": one(3, segmentation=[[[[30, 10], [50, 10], [50, 30]]]]),
    "run lengths in a list": one(4, segmentation=[{"size": [HEIGHT, WIDTH], "counts": [970, 30, HEIGHT * WIDTH - 1000]}]),
    "run lengths without size": one(4, segmentation={"counts": [970, 30, HEIGHT * WIDTH - 1000]}),
    "run lengths too short": one(segmentation={"size": [HEIGHT, WIDTH], "counts": [3, 5]}),
    "run lengths of another size": one(2, segmentation={"size": [WIDTH, HEIGHT], "counts": [HEIGHT * WIDTH]}),
    "outside": one(8, segmentation=[[200, 10, 220, 10, 220, 30]]),
    "far": one(8, segmentation=[[5e7, 10, 220, 10, 220, 30]]),
    "thin": one(9, segmentation=[[30, 10, 40, 20, 30, 10]]),
    "two points": one(10, segmentation=[[1, 2, 3, 4], [10, 10, 50, 10, 50, 40]]),
    "odd part": one(3, segmentation=[[1, 2, 3], [10, 10, 50, 10, 50, 40]]),
    "nan box": one(bbox=[float("nan"), 1, 2, 3]),
    "box over the border": one(5, bbox=[100, 70, 40, 40]),
    "no box": lose("annotations", "bbox"),
    "area of text": one(area="large"),
    "all crowd": every(iscrowd=1),
    "iscrowd 2": one(iscrowd=2),
    "image id twice": image(id=1),
    "image twice": again("images"),
    "file twice": again("images", id=50),
    "file twice of two sizes": image(file_name="1.jpg", height=50, width=50),
    "file twice, the first too small": lambda data: (image(0, height=20, width=20)(data), image(file_name="1.jpg")(data)),
    "image without id": lose("images", "id", 1),
    "image without size": lose("images", "height", 1),
    "image of a size of text": image(height="high"),
    "image of a small size": image(2, height=30, width=30),
    "image of a huge size": image(2, height=10**6, width=10**6),
    "images of sizes that no photo has": lambda data: [i.update(height=10**9, width=10**9) for i in data["images"]],
    "swapped size": image(0, height=WIDTH, width=HEIGHT),
    "size as text": image(height=str(HEIGHT)),
    "no name of a file": image(3, file_name=None),
    "outside of the folder": image(3, file_name="../4.jpg"),
    "category id twice": category(id=1),
    "category twice": again("categories"),
    "category name twice": category(name="fig"),
    "category name twice, new id": again("categories", id=40),
    "category without name": category(name=None),
    "category that is called so": category(2, name="category_2"),
    "category of a number": category(2, name=7),
    "category in a list": category(name=["pot"]),
    "category without id": lose("categories", "id", 1),
    "category of a class without objects": lambda data: data["categories"].append({"id": 30, "name": "fruit"}),
    "image ids are words": change_ids("images", "image_id", lambda v: f"n{v}"),
    "image ids are text": change_ids("images", "image_id", str),
    "category ids are words": change_ids("categories", "category_id", lambda v: f"n{v}"),
    "category ids are fractions": change_ids("categories", "category_id", lambda v: v + 0.0 if type(v) is int else v),
    "category order": change_ids("categories", "category_id", lambda v: 4 - v if type(v) is int else v),
    "category ids beyond 64 bits": change_ids("categories", "category_id", lambda v: 10**400 + v if type(v) is int else v),
    "foreign entries": lambda data: [data[section].insert(1, None) for section in view_lib.SECTIONS],
}  # fmt: skip

# What inserts what is no object comes last.
ORDER = {name: at for at, name in enumerate(SPOILINGS)}


def spoil(names: tuple[str, ...]) -> Data:
    data = make_data()
    for name in sorted(names, key=ORDER.__getitem__):
        SPOILINGS[name](data)
    return data


def find_facts(view: view_lib.View) -> list[file_facts.FileFacts]:
    """State of each file, as if photos of the usual size were there."""
    state = {True: file_facts.FOUND, False: file_facts.MISSING}
    found = []
    for name in view.file_names:
        is_there = name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg")
        sides = (HEIGHT, WIDTH) if is_there else (0, 0)
        facts = file_facts.FileFacts(state[is_there], name=name if is_there else "", stored=sides)
        found.append(facts)
    return found


def look(data: Data, other: view_lib.View | None, files: bool) -> check.Checked:
    data = json.loads(json.dumps(data))
    view = view_lib.View("a.json", data)
    if files:
        facts = find_facts(view)
        listed = {fact.name for fact in facts}
        view = view_lib.View(
            "a.json", data, facts, [n for n in ("1.jpg", "2.jpg", "3.jpg", "4.jpg") if n not in listed]
        )
    return check.Checked(view, "", checks.run_all(view, meaning.Target(), other), other)


def objects_of(view: view_lib.View) -> dict[int, set[str]]:
    """Key of each object to the names that its category id has."""
    names: dict[int, set[str]] = {}
    for name, number, usable in zip(
        view.names, view.category_ids.values, view.category_ids.usable, strict=True
    ):
        if usable:
            names.setdefault(int(number), set()).add(name)
    refs = view.category_refs
    return {
        annotation["key"]: names.get(int(refs.values[at]), set()) if refs.usable[at] else set()
        for at, annotation in enumerate(view.annotations)
    }


def may_go(checked: check.Checked) -> set[int]:
    """Keys of objects that a finding of the input names, or whose image one does."""
    view = checked.view
    marked = {section: set() for section in view_lib.SECTIONS}
    for found in checked.found:
        wanted = REMOVING | {"D08"} if found.section == "annotations" else WITH_THE_IMAGE
        if found.code in wanted:
            marked[found.section] |= set(found.positions.tolist())
    return {
        annotation["key"]
        for at, annotation in enumerate(view.annotations)
        if at in marked["annotations"] or int(view.image_of[at]) in marked["images"]
    }


def describe(found: list[findings.Finding]) -> list[tuple[str, str, list[int]]]:
    return [(f.code, f.section, f.positions.tolist()) for f in found]


def repair_or_refuse(checked: check.Checked) -> repair.Repaired | None:
    """Repair; None where nothing would be left."""
    try:
        return repair.repair(checked, meaning.Target())
    except ValueError as refused:
        if "nothing is written" not in str(refused):
            raise
        return None


def hold_laws(names: tuple[str, ...], other: view_lib.View | None, files: bool) -> bool:
    """Hold every law for one set; False where nothing would be left of it."""
    said = (names, other is not None, files)
    checked = look(spoil(names), other, files)
    before = json.dumps(checked.view.content)
    repaired = repair_or_refuse(checked)
    if repaired is None:
        return False
    assert json.dumps(checked.view.content) == before, said
    old, new = objects_of(checked.view), objects_of(repaired.view)
    # Of an object and its copy one may go without a finding of its own.
    assert set(old) - set(new) - {50, 51} <= may_go(checked), said
    for both in ({1, 50}, {2, 51}):
        assert not both <= set(old) - set(new) or both <= may_go(checked), said
    for key in new:
        kept = {name for name in old[key] if name}
        assert kept <= new[key], (said, key, old[key], new[key])
    lost_names = {name for names_ in old.values() for name in names_} - set(repaired.view.names) - {""}
    assert not lost_names, (said, lost_names)
    fresh = look(repaired.view.content, other, files)
    assert describe(fresh.found) == describe(repaired.found), said
    twice = repair.repair(fresh, meaning.Target())
    assert not twice.counts, (said, twice.counts)
    assert json.dumps(twice.view.content) == json.dumps(repaired.view.content), said
    for section, row in repaired.account.to_json().items():
        assert row["in"] == len(checked.view.content[section]), said
        assert row["kept"] == len(repaired.view.content[section]), said
        assert row["in"] == row["kept"] + sum(row["removed"].values()), said
        assert set(row["removed"]) <= set(codes.CODES), said
    return True


@pytest.fixture(scope="module")
def other_split() -> view_lib.View:
    data = make_data()
    data["categories"].append({"id": 9, "name": "fruit"})
    data["annotations"][0]["category_id"] = 9
    return view_lib.View("other.json", data)


@pytest.fixture(scope="module")
def same_split() -> view_lib.View:
    data = make_data()
    for section, field, at in (("categories", "id", 0), ("annotations", "category_id", 0)):
        for entry in data[section][at:]:
            entry[field] = {1: 3, 2: 1, 3: 2}[entry[field]]
    return view_lib.View("other.json", data)


def test_no_pair_of_faults_makes_a_repair_lose_anything(
    other_split: view_lib.View, same_split: view_lib.View
) -> None:
    pairs = list(itertools.combinations(SPOILINGS, 2))
    random.Random(0).shuffle(pairs)
    tried = 0
    for at, names in enumerate(pairs[:PAIRS]):
        tried += hold_laws(names, (None, other_split, same_split)[at % 3], at % 2 == 0)
    assert tried > len(pairs[:PAIRS]) / 2


def test_no_three_faults_make_a_repair_lose_anything(
    other_split: view_lib.View, same_split: view_lib.View
) -> None:
    rng = random.Random(0)
    others = (None, other_split, same_split)
    cases = (
        (tuple(rng.sample(list(SPOILINGS), 3)), rng.choice(others), rng.random() < 0.5)
        for _ in range(TRIPLES)
    )
    fuzzing.hold(
        "data check --fix", cases, lambda case: fuzzing.READ if hold_laws(*case) else fuzzing.REFUSED
    )
