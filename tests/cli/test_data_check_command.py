from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.data.checking import codes
from official_yolact.data.checking import mending

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def nine_squares(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with `a.json`, and its one photo in `images`; one object is of an unlisted category."""
    (tmp_path / "images").mkdir()
    PIL.Image.linear_gradient("L").resize((60, 40)).save(tmp_path / "images" / "<b>.png")
    annotations: list[dict[str, Any]] = [
        {
            "id": i,
            "image_id": 1,
            "category_id": 1 if i < 9 else 3,
            "bbox": [5 * i, 5, 20, 20],
            "area": 400,
            "iscrowd": 0,
            "segmentation": [[5 * i, 5, 5 * i + 20, 5, 5 * i + 20, 25, 5 * i, 25]],
        }
        for i in range(1, 10)
    ]
    data = {
        "info": {"kept": True},
        "images": [{"id": 1, "file_name": "<b>.png", "height": 40, "width": 60, "licence": 4}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "a<script>"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(data))
    return tmp_path


def _check(folder: pathlib.Path, *options: str) -> int:
    return main.main(["data", "check", str(folder / "a.json"), "--images", str(folder / "images"), *options])


def test_the_table_goes_to_standard_output_and_json_is_its_last_line(
    nine_squares: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _check(nine_squares) == 1
    table = capsys.readouterr().out
    assert re.search(r"D05 +error +1 +category_id that categories does not list", table)
    assert "first: 9 (<b>.png) category_id 3" in table
    assert _check(nine_squares, "--json") == 1
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    printed = json.loads(captured.out)
    assert printed["images"] == 1
    assert printed["instances"] == 9
    assert {"D05", "D78"} <= {row["code"] for row in printed["findings"]}
    assert "D05" in captured.err


def test_the_page_holds_its_pictures_and_no_markup_of_the_data(
    nine_squares: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = nine_squares / "report.html"
    assert _check(nine_squares, "--html", str(page)) == 1
    text = page.read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in text
    assert "<script" not in text
    assert "<b>" not in text
    assert "http" not in text
    assert "D05" in text
    assert text.count("<section>") == text.count("</section>")


def test_outlines_are_drawn_on_the_page_in_every_form(nine_squares: pathlib.Path) -> None:
    content = json.loads((nine_squares / "a.json").read_text())
    ring = [20, 8, 50, 12, 35, 30]
    points = [ring[at : at + 2] for at in range(0, 6, 2)]
    pages = {}
    for name, outline in {
        "none": [[20, 8, 20, 8, 20, 8]], "lists": [ring], "flat": ring, "points": points, "lists of points": [points],
    }.items():  # fmt: skip
        content["annotations"][8]["segmentation"] = outline
        (nine_squares / "a.json").write_text(json.dumps(content))
        _check(nine_squares, "--html", str(nine_squares / f"{name}.html"))
        text = (nine_squares / f"{name}.html").read_text(encoding="utf-8")
        found = re.search(r"D05.*?base64,([^']+)", text, re.DOTALL)
        assert found is not None
        pages[name] = found[1]
    assert pages["lists"] == pages["flat"] == pages["points"] == pages["lists of points"] != pages["none"]


def test_a_repair_keeps_what_it_does_not_repair_and_can_be_told_what_to_leave(
    nine_squares: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = nine_squares / "clean.json"
    before = (nine_squares / "a.json").read_bytes()
    assert _check(nine_squares, "--fix", "--yes", "-o", str(clean)) == 0
    assert "repaired D05: 1" in capsys.readouterr().out
    assert (nine_squares / "a.json").read_bytes() == before
    fixed, source = json.loads(clean.read_text()), json.loads(before)
    assert fixed["info"] == {"kept": True}
    assert fixed["images"] == source["images"]
    assert fixed["annotations"][:7] == source["annotations"][:7]
    assert len(fixed["annotations"]) == 8
    assert fixed["annotations"][7]["bbox"] == [40, 5, 20, 20]
    assert _check(nine_squares, "--fix", "-o", str(clean), "--leave", "D05") == 1
    assert len(json.loads(clean.read_text())["annotations"]) == 9
    assert sorted(path.name for path in nine_squares.iterdir()) == ["a.json", "clean.json", "images"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fix"], "--fix and --output belong together"),
        (["-o", "clean.json"], "--fix and --output belong together"),
        (["--fix", "-o", "a.json"], "is the file that is read"),
        (["--fix", "-o", "link.json"], "is the file that is read"),
        (["--fix", "--yes", "-o", "none/clean.json"], "none/clean.json"),
        (["--fix", "-o", "clean.json", "--leave", "D99"], "there is no code 'D99'"),
        (["--images", "none"], "none: no such image folder"),
        (["--against", "none.json"], "none.json"),
        (["--input-size", "0", "550"], "1 to 100,000"),
        (["--max-instances", "0"], "1 to 1,000,000"),
    ],
)
def test_unusable_options_are_one_line_and_exit_code_2(
    options: list[str],
    message: str,
    nine_squares: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(nine_squares)
    (nine_squares / "link.json").symlink_to("a.json")
    before = (nine_squares / "a.json").read_bytes()
    assert main.main(["data", "check", "a.json", *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("yolact: error") == 1
    assert (nine_squares / "a.json").read_bytes() == before
    assert not [path for path in nine_squares.rglob("*") if "clean" in path.name]


def test_a_missing_file_is_unusable(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["data", "check", str(tmp_path / "none.json"), "--no-images"]) == 2
    assert "none.json" in capsys.readouterr().err


def test_checking_drawing_and_repairing_load_no_tensorflow(nine_squares: pathlib.Path) -> None:
    program = (
        "import sys; from official_yolact.cli import main;"
        "code = main.main(sys.argv[1:]); assert not {'tensorflow', 'tf_keras', 'keras'} & set(sys.modules);"
        "sys.exit(10 + code)"
    )
    words = [
        "data",
        "check",
        "a.json",
        "--images",
        "images",
        "--html",
        "r.html",
        "--fix",
        "--yes",
        "-o",
        "c.json",
    ]
    done = subprocess.run(
        [sys.executable, "-c", program, *words, "--against", "a.json"],
        cwd=nine_squares,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(CHECKOUT)},
    )
    assert done.returncode == 11, done.stderr


@pytest.mark.shared
def test_real_photos_with_good_annotations_have_no_errors(
    shared: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "val"):
        data = shared / "data" / "nuts"
        assert (
            main.main(["data", "check", str(data / f"{split}.json"), "--images", str(data / "images")]) == 0
        )
        coco = shared / "data" / "coco-open"
        words = [str(coco / f"instances_{split}2017.json"), "--images", str(coco / f"{split}2017"), "--json"]
        other = "val" if split == "train" else "train"
        words += ["--against", str(coco / f"instances_{other}2017.json")]
        words += ["--against-images", str(coco / f"{other}2017")]
        capsys.readouterr()
        main.main(["data", "check", *words])
        printed = json.loads(capsys.readouterr().out)
        faults = {row["code"] for row in printed["findings"] if row["severity"] != codes.INFO}
        # The few photos do not show every class of COCO.
        assert faults == {"D16"}


def test_what_says_that_fix_repairs_it_is_repaired() -> None:
    promised = {code.code for code in codes.CODES.values() if "--fix" in code.cure}
    assert promised == set(mending.MENDS) | {"D31"}
