from __future__ import annotations

import hashlib
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import index as coco_index
from official_yolact.coco import stream as json_stream


def content(count: int = 300) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "info": {"nested": [{"annotations": [1, 2]}, '\\" ] } ü', -1.5e3]},
        "images": [{"id": 7 * i, "file_name": f"bü{i}.jpg", "height": 9, "width": 9} for i in range(40)],
        "licenses": [],
        "annotations": [
            {
                "id": i + 1,
                "image_id": int(7 * rng.integers(0, 42)),
                "category_id": 3,
                "name": 'a "quoted" \\ name, ü漢' * int(rng.integers(0, 3)),
                "segmentation": [rng.uniform(0, 9, 8).tolist()],
            }
            for i in range(count)
        ],
        "categories": [{"id": 3, "name": "nüt"}],
    }


def write(path: pathlib.Path, value: Any, **options: Any) -> str:
    path.write_text(value if isinstance(value, str) else json.dumps(value, **options), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("chunk", [5, 64, 1 << 18])
@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (",", ":")}])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_index_finds_what_reading_the_whole_file_finds(
    chunk: int,
    options: dict[str, Any],
    reverse: bool,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK_BYTES", chunk)
    value = content()
    value = dict(reversed(value.items())) if reverse else value
    path = write(tmp_path / "a.json", value, **options)
    index, whole = coco_index.read_index(path), coco_annotations.read(path)
    assert (index.images, index.categories) == (whole.images, whole.categories)
    assert len(index.orphans) == whole.orphans > 0
    assert index.num_annotations == 300
    assert index.sha256 == hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() == whole.sha256
    for position, image in enumerate(index.images):
        found = coco_index.read_annotations(path, index.spans_of(position))
        assert found == whole.annotations[image.id]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: Expecting value, near byte 0"),
        ("[1, 2]", "a list, not an object with images"),
        ("{", "not JSON"),
        ('{"images": [', "not JSON"),
        ('{"images": [{"id": 1, "file_name": "a.jpg"}', "',' or ']' expected"),
        ('{"images": [{"id": 1, "file_name": "a', "Unterminated string"),
        ('{"images" 1}', "a key and ':' expected"),
        ('{"images": [], "images": []}', "'images' occurs twice"),
        ('{"images": 5, "annotations": [], "categories": []}', "images is 5"),
        ('{"images": [], "categories": []} x', "more text after the end"),
        ("{}", "has no images"),
        ('{"a": ' + "[" * 100_000, "not JSON"),
        ('{"a": ' + "1" * 5000 + "}", "not JSON"),
        ('{"images": [nope]}', "Expecting value, near byte 12"),
    ],
)
def test_what_is_no_coco_file_is_named(text: str, message: str, tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "a.json", text)
    with pytest.raises(ValueError, match="a.json: ") as raised:
        coco_index.read_index(path)
    assert message in str(raised.value)


def test_a_byte_order_mark_is_passed_over(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "a.json", "\ufeff" + json.dumps(content(40)))
    index = coco_index.read_index(path)
    found = [a.id for at in range(40) for a in coco_index.read_annotations(path, index.spans_of(at))]
    assert sorted(found + index.orphans) == list(range(1, 41))


def test_bytes_that_are_no_utf_8_are_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"images": ["\xff\xfe"]}')
    with pytest.raises(ValueError, match=r"a.json: not JSON in UTF-8"):
        coco_index.read_index(str(tmp_path / "a.json"))
