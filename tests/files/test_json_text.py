"""JSON that cannot be relied on gets one verdict from every command that reads it."""

import json
import os
import random
import re
import sys

import cv2
import fuzzing
import numpy as np
import pytest

from official_yolact.cli import main
from official_yolact.records import manifest
from official_yolact_runtime import categories
from official_yolact_runtime.files import json_text

_IMAGE = '{"id": 1, "file_name": "a.png", "height": 8, "width": 8}'
_OBJECT = (
    '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0,'
    ' "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}'
)


def _text(images=_IMAGE, objects=_OBJECT, name="cat", more=""):
    return (
        f'{{"images": [{images}],\n"annotations": [{objects}],\n'
        f'"categories": [{{"id": 1, "name": "{name}"}}]{more}}}'
    )


_REFUSED = {
    "images_twice": _text(more=f', "images": [{_IMAGE}]'),
    "annotations_twice": _text(more=', "annotations": []'),
    "key_twice_in_an_object": _text(objects=_OBJECT.replace('"area"', '"bbox": [1, 1, 2, 2], "area"')),
    "another_key_twice": _text(more=', "info": 1, "info": 2'),
    "surrogate_class": _text(name="\\ud800"),
    "newline_class": _text(name="per\\nson"),
    "escape_class": _text(name="\\u001b[31mred"),
    "deep_object": _text(objects=_OBJECT.replace("16", "[" * 100_000)),
    "deep_info": _text(more=', "info": ' + '{"a":' * 100_000),
    "deep_file": "[" * 100_000,
    "digits": _text(objects=_OBJECT.replace("16", "1" * 5000)),
    "utf16": _text().encode("utf-16"),
    "utf32": _text().encode("utf-32"),
    "utf16_without_mark": _text().encode("utf-16-le"),
    "latin1": _text(name="\xe9").encode("latin-1"),
}


def _commands(path, folder):
    photos = os.path.join(folder, "photos")
    results = os.path.join(folder, "results.json")
    return {
        "check": ["data", "check", path, "--no-images"],
        "convert": ["data", "convert", path, "--images", photos, "--output", f"{folder}/rec", "--split", "t"],
        "stats": ["data", "stats", path],
        "split": ["data", "split", path, "--output", f"{folder}/parts", "--fractions", "a=0.5,b=0.5"],
        "eval": ["eval", "--detections", results, "--annotations", path],
    }


def _prepare(folder, text):
    os.makedirs(folder / "photos", exist_ok=True)
    cv2.imwrite(str(folder / "photos" / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (folder / "results.json").write_text("[]")
    path = folder / "ann.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@pytest.mark.parametrize("text", _REFUSED.values(), ids=_REFUSED)
def test_every_command_refuses_it_and_names_the_file(tmp_path, capsys, text):
    path = _prepare(tmp_path, text)
    for name, words in _commands(path, tmp_path).items():
        assert main.main(words) == 2, name
        error = capsys.readouterr().err
        assert "ann.json" in error, name
        assert "Traceback" not in error, name
        assert "\x1b" not in error, name


def test_a_byte_order_mark_is_skipped_by_every_reader(tmp_path, capsys):
    path = _prepare(tmp_path, b"\xef\xbb\xbf" + _text().encode())
    (tmp_path / "results.json").write_text(
        '\ufeff[{"image_id":1,"category_id":1,"score":1,"bbox":[1,1,4,4]}]'
    )
    for name in ("convert", "stats", "eval"):
        assert main.main(_commands(path, tmp_path)[name]) == 0, capsys.readouterr().err
    assert categories.read_classes(path).names == ("cat",)


_RESULTS = {
    "huge_score": '[{"image_id":1,"category_id":1,"bbox":[1,1,2,2],"score":1' + "0" * 400 + "}]",
    "infinite_score": '[{"image_id":1,"category_id":1,"bbox":[1,1,2,2],"score":1e999}]',
    "huge_box": '[{"image_id":1,"category_id":1,"bbox":[1,1,2,1' + "0" * 400 + '],"score":1}]',
    "infinite_id": '[{"image_id":1e999,"category_id":1,"bbox":[1,1,2,2],"score":1}]',
    "deep": "[" * 100_000,
    "key_twice": '[{"image_id":1,"category_id":1,"bbox":[1,1,2,2],"score":1,"score":0}]',
}


@pytest.mark.parametrize("text", _RESULTS.values(), ids=_RESULTS)
def test_eval_refuses_results_and_names_the_file(tmp_path, capsys, text):
    path = _prepare(tmp_path, _text())
    (tmp_path / "results.json").write_text(text)
    assert main.main(_commands(path, tmp_path)["eval"]) == 2
    error = capsys.readouterr().err
    assert "results.json" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("number", "finite", "says"),
    [
        ("1e999", True, "is not finite"),
        ("-1e999", True, "is not finite"),
        ("NaN", True, "is not finite"),
        ("-Infinity", True, "is not finite"),
        ("1" + "0" * 400, True, "is not finite"),
        ("-1" + "0" * 400, True, "is not finite"),
        ("9" * 5000, True, "has 5000 digits"),
        ("9" * 5000, False, "has 5000 digits"),
    ],
    ids=[
        "exponent",
        "negative",
        "nan",
        "infinity",
        "huge",
        "huge_negative",
        "digits",
        "digits_of_annotations",
    ],
)
def test_a_number_that_is_refused_is_named_with_its_place(tmp_path, number, finite, says):
    text = '{"a": "NaN 1e999 \\" 1e999",\n "b": [1, 2.5e3, -0.0, ' + number + "]}"
    place = f"line 2 column {text.splitlines()[1].index(number) + 1}"
    (tmp_path / "n.json").write_text(text)
    with pytest.raises(
        ValueError, match=rf"n\.json: not JSON: the number '.*' {says} \({place}\): correct it"
    ) as raised:
        json_text.load(str(tmp_path / "n.json"), finite)
    assert "sys." not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_numbers_that_a_float_holds_are_read_to_the_digit():
    for number in (10**308, -(10**308), int(sys.float_info.max), 2**53 + 1, 0, -7, 1.5e308):
        assert json_text.parse(json.dumps([number]), "n.json") == [number]
    assert json_text.parse("[1" + "0" * 400 + "]", "n.json", finite=False) == [10**400]


def test_every_command_names_the_place_of_a_number_of_thousands_of_digits(tmp_path, capsys):
    path = _prepare(tmp_path, _text(objects=_OBJECT.replace("16", "1" * 5000)))
    for name, words in _commands(path, tmp_path).items():
        assert main.main(words) == 2, name
        error = capsys.readouterr().err
        assert re.search(r"has 5000 digits( \(line 2 column|, near byte)", error), (name, error)
        assert "set_int_max_str_digits" not in error


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"categories": [{"id": 1e999, "name": "a"}]}', '{"categories": null}', "[]", "1"],
    ids=["deep", "infinite", "null", "list", "number"],
)
def test_the_categories_of_a_model_are_refused_by_name(tmp_path, text):
    path = tmp_path / "categories.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"categories\.json: not "):
        categories.Categories.load(str(path))


@pytest.mark.parametrize("field", ["shards", "categories", "num_records", "options", "skipped"])
def test_a_manifest_with_null_in_a_field_is_refused(tmp_path, field):
    path = _prepare(tmp_path, _text())
    assert main.main(_commands(path, tmp_path)["convert"]) == 0
    stated = tmp_path / "rec" / "manifest-t.json"
    assert manifest.Manifest.load(str(stated)).num_records == 1
    stated.write_text(json.dumps({**json.loads(stated.read_text()), field: None}))
    with pytest.raises(ValueError, match=f"manifest-t.json: not a manifest.*{field} is a NoneType"):
        manifest.Manifest.load(str(stated))


def test_an_unknown_field_of_a_manifest_is_named_in_one_line(tmp_path):
    path = _prepare(tmp_path, _text())
    assert main.main(_commands(path, tmp_path)["convert"]) == 0
    stated = tmp_path / "rec" / "manifest-t.json"
    stated.write_text(json.dumps({**json.loads(stated.read_text()), "a\nb": 1}))
    with pytest.raises(ValueError, match=r"manifest-t.json: not a manifest .*'a\\nb' is no field"):
        manifest.Manifest.load(str(stated))


def test_a_key_that_occurs_twice_is_named_with_both_places():
    with pytest.raises(ValueError, match="f: .*'d' occurs twice .line 2 column 2 and line 3 column 1."):
        json_text.parse('{"a": [{"d": 1}, {\n "d":1,\n"d":2}]}', "f")


def test_a_whole_character_of_two_escapes_is_read():
    assert json_text.parse('"\\ud83d\\ude00 \\\\ud800"', "f") == "\U0001f600 \\ud800"


@pytest.mark.parametrize("name", ["check", "stats", "eval"])
def test_mutated_annotations_end_with_a_named_message(tmp_path, capsys, name):
    draw = random.Random(5)
    content = json.loads(_text())

    def read(mutated):
        code = main.main(_commands(_prepare(tmp_path, mutated), tmp_path)[name])
        error = capsys.readouterr().err
        assert code in (0, 1, 2)
        assert "Traceback" not in error
        assert "a fault of this program" not in error
        assert code != 2 or "ann.json" in error, error
        return fuzzing.REFUSED if code else fuzzing.READ

    mutations = (fuzzing.mutate_json(draw, content) for _ in range(fuzzing.COUNT))
    fuzzing.hold(f"annotations, `{_DOORS[name]}`", mutations, read)


_DOORS = {"check": "data check", "stats": "data stats", "eval": "eval --detections"}


@pytest.mark.parametrize("opening", ['{"a":', "["], ids=["objects", "lists"])
def test_the_bound_of_nesting_is_exact(opening):
    def nested(depth):
        return opening * depth + "1" + {"[": "]", '{"a":': "}"}[opening] * depth

    assert json_text.parse(nested(json_text.MAX_DEPTH), "f")
    with pytest.raises(ValueError, match=r"^f: not JSON: nested more than 200 deep at line 1 column"):
        json_text.parse(nested(json_text.MAX_DEPTH + 1), "f")


def test_brackets_in_strings_are_not_nesting():
    text = json.dumps(["[" * 500, '"' + "{" * 500, "\\", '\\"[', ["}" * 900]] * 3)
    assert json_text.parse(text, "f") == json.loads(text)
    assert json_text.parse(text.encode(), "f") == json.loads(text)


def test_what_is_not_finite_is_written_as_null():
    numbers = {"AP": float("nan"), "best": [1.5, float("inf"), -float("inf")], "name": "NaN", "count": 3}
    written = json_text.dump(numbers)
    assert json.loads(written) == {"AP": None, "best": [1.5, None, None], "name": "NaN", "count": 3}
    assert json_text.parse(written, "f") == json.loads(written)


def test_no_module_writes_json_that_may_hold_nan():
    """What commands print goes through the one writer, or allows no NaN."""
    import pathlib
    import re

    import official_yolact
    import official_yolact_runtime

    root = pathlib.Path(official_yolact.__file__).parent
    printing = [*(root / "cli").rglob("*.py"), *(root / "serving").glob("*.py"), root / "demo.py"]
    printing += [pathlib.Path(official_yolact_runtime.__file__).with_name("detections.py")]
    for path in printing:
        text = path.read_text(encoding="utf-8")
        for call in re.findall(r"(?<![\w.])json\.dumps\(.*", text):
            assert "detection_generator" in call, f"{path}: {call}"
