"""A class whose name has a comma or an equals sign can be named; whole names come first."""

from __future__ import annotations

import itertools
import json
import pathlib

import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.data.conversion import class_names

KNOWN = ("cup, small", "cup", "plate", "a=b", "box ", "fork,knife,spoon", "back\\slash", "x=y, z")


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["cup"], ["cup"]),
        (["cup,plate"], ["cup", "plate"]),
        ([" cup , plate ,"], ["cup", "plate"]),
        (["cup, small"], ["cup, small"]),
        ([r"cup\, small"], ["cup, small"]),
        (["plate,cup, small,cup"], ["plate", "cup, small", "cup"]),
        ([r"cup\, small, cup"], ["cup, small", "cup"]),
        (["fork,knife,spoon"], ["fork,knife,spoon"]),
        (["cup,fork,knife,spoon,plate"], ["cup", "fork,knife,spoon", "plate"]),
        (["cup", "fork,knife,spoon"], ["cup", "fork,knife,spoon"]),
        (["box ,cup"], ["box ", "cup"]),
        (["back\\slash,cup"], ["back\\slash", "cup"]),
        (["x=y, z"], ["x=y, z"]),
        (["spoon,knife"], ["spoon", "knife"]),
        (["", " , "], []),
        ([], []),
    ],
    ids=lambda value: ascii(value).replace("\\", "_"),
)
def test_lists_of_names_are_read_by_the_names_that_there_are(texts: list[str], names: list[str]) -> None:
    assert list(class_names.parse_lists(texts, KNOWN)) == names


def test_every_list_of_escaped_names_is_read_as_these_names() -> None:
    for names in itertools.permutations(KNOWN, 3):
        escaped = [name.replace("\\", "\\\\").replace(",", r"\,").replace("=", r"\=") for name in names]
        assert class_names.parse_lists([",".join(escaped)], KNOWN) == names
        pairs = [f"{old}={new}" for old, new in itertools.pairwise(escaped)]
        assert class_names.parse_renames(pairs, KNOWN) == tuple(itertools.pairwise(names))


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("cup=mug", ("cup", "mug")),
        ("a=b=c", ("a=b", "c")),
        (r"a\=b=c", ("a=b", "c")),
        ("a=b=c=d", ("a=b", "c=d")),
        ("cup=a=b", ("cup", "a=b")),
        (r"cup=a\=b", ("cup", "a=b")),
        ("cup, small=cup", ("cup, small", "cup")),
        ("box =cup", ("box ", "cup")),
        ("x=y, z=w", ("x=y, z", "w")),
        ("none=new", ("none", "new")),
    ],
    ids=lambda value: ascii(value).replace("\\", "_"),
)
def test_pairs_are_read_by_the_names_that_there_are(text: str, pair: tuple[str, str]) -> None:
    assert class_names.parse_renames([text], KNOWN) == (pair,)


def test_a_pair_that_can_be_read_in_two_ways_and_one_that_is_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the old name may be 'a' or 'a=b': write .* for an equals sign"):
        class_names.parse_renames(["a=b=c"], ("a", "a=b"))
    for text in ("cup", "=cup", "cup=", r"cup\=mug", "="):
        with pytest.raises(ValueError, match="give it as OLD=NEW"):
            class_names.parse_renames([text], KNOWN)


def test_classes_with_commas_and_equals_signs_are_converted(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (40, 30)).save("1.png")
    square = [[2, 2, 12, 2, 12, 12, 2, 12]]
    names = ("cup, small", "a=b", "plate")
    content = {
        "images": [{"id": 1, "file_name": "1.png", "height": 30, "width": 40}],
        "annotations": [
            {"id": at, "image_id": 1, "category_id": at, "segmentation": square, "bbox": [2, 2, 10, 10]}
            for at in (1, 2, 3)
        ],
        "categories": [{"id": at, "name": name} for at, name in enumerate(names, 1)],
    }
    pathlib.Path("a.json").write_text(json.dumps(content))
    convert = ["data", "convert", "a.json", "--images", ".", "--output", "out", "--split", "t"]
    for words, wanted in (
        (["--classes", "cup, small"], ["cup, small"]),
        (["--classes", "plate,cup, small"], ["cup, small", "plate"]),
        (["--classes", "a=b", "--classes", r"cup\, small"], ["cup, small", "a=b"]),
        (["--rename", "a=b=ab", "--classes", "ab"], ["ab"]),
        (["--rename", r"plate=cup\, small"], ["cup, small", "a=b"]),
    ):
        assert main.main([*convert, *words]) == 0
        written = json.loads(pathlib.Path("out/manifest-t.json").read_text())
        assert [category["name"] for category in written["categories"]] == wanted, words
        capsys.readouterr()
    assert main.main([*convert, "--classes", "cup, big"]) == 2
    told = capsys.readouterr().err
    assert "classes names 'cup', which categories does not list" in told
    assert r"write \, for a comma and \= for an equals sign in a name" in told
