"""The page of an export, in headless Chromium."""

import dataclasses
import json
import shutil
import time

import numpy as np
import pytest
from PIL import Image

import official_yolact
import official_yolact_runtime

SIZES = [
    (48, 64),
    (90, 50),
    (64, 64),
    (31, 200),
    (200, 33),
    (120, 160),
    (65, 63),
    (300, 400),
    (97, 41),
    (150, 150),
]
THRESHOLD = 34


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Ten photos, of several formats; two lie on their side, as a camera's EXIF says."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for index, (height, width) in enumerate(SIZES):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        picture = coarse.resize((width, height), Image.Resampling.NEAREST)
        exif = Image.Exif()
        if index in (1, 5):
            exif[0x0112] = 6 if index == 1 else 3
        kind = ("jpg", "png", "jpg", "bmp", "webp")[index % 5] if index not in (1, 5) else "jpg"
        picture.save(folder / f"{index}.{kind}", **({"exif": exif} if index in (1, 5) else {}))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def expected(model_dir, photos):
    """(name, score, area) of what the Predictor finds in each, some below the threshold too."""
    model = official_yolact.load(model_dir)
    found = [model(path, score_threshold=(THRESHOLD - 1) / 100) for path in photos]
    return [
        [(n, float(s), int(m.sum())) for n, s, m in zip(each.names, each.scores, each.masks, strict=True)]
        for each in found
    ]


@pytest.mark.parametrize("isolated", [True, False], ids=["on all cores", "on one core"])
def test_the_page_finds_what_the_predictor_finds_and_asks_no_other_server(
    web, serve, visit, photos, expected, isolated
):
    address = serve(web, isolated)
    opened = visit(address)
    assert opened.page.evaluate("crossOriginIsolated") == isolated
    counts = []
    for path, there in zip(photos, expected, strict=True):
        here = opened.open(path, threshold=THRESHOLD)
        _compare(here, there)
        counts.append(len(here))
    assert min(counts) > 0
    assert ("with 1 thread." in opened.page.inner_text("#timing")) != isolated
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(address)] == []
    assert f"{address}litert/index.js" in opened.requests


def _compare(here, there):
    """Pair what the page found with what the Predictor found: same class, same mask, scores equal to 1e-4."""
    rest = list(there)
    for name, score, area in here:
        near = [
            one for one in rest if one[0] == name and abs(one[1] - score) < 1e-4 and abs(one[2] - area) <= 2
        ]
        assert near, (name, score, area)
        rest.remove(min(near, key=lambda one: (abs(one[2] - area), abs(one[1] - score))))
    assert [one for one in rest if one[1] >= THRESHOLD / 100 + 1e-4] == []


def _load_described(folder, **changes):
    """Write other settings into the page's description, and load its model with the same."""
    described = json.loads((folder / "model.json").read_text())
    detection = {**described["detection"], **changes.pop("detection", {})}
    (folder / "model.json").write_text(json.dumps({**described, **changes, "detection": detection}))
    light = official_yolact_runtime.load(str(folder / "model.tflite"))
    light.runtime.info = dataclasses.replace(light.runtime.info, detection=detection, **changes)
    return light


def test_the_page_cuts_masks_at_the_size_of_the_photo_as_the_runtime_does(
    web, serve, visit, photos, tmp_path
):
    folder = shutil.copytree(web, tmp_path / "web")
    # The masks of the model are cut one cell wider than their boxes: the page cuts the rest.
    light = _load_described(folder, detection={"crop_at": "image", "crop_padding": 0.0})
    opened = visit(serve(folder))
    for path in (photos[0], photos[3], photos[7]):
        found = light(path, score_threshold=(THRESHOLD - 1) / 100)
        areas = [int(mask.sum()) for mask in found.masks]
        _compare(
            opened.open(path, threshold=THRESHOLD), list(zip(found.names, found.scores, areas, strict=True))
        )
    assert opened.complaints == []


def test_the_page_keeps_the_proportions_of_photos_as_the_runtime_does(web, serve, visit, photos, tmp_path):
    folder = shutil.copytree(web, tmp_path / "web")
    light = _load_described(folder, keep_aspect=True, detection={"crop_at": "image", "crop_padding": 0.5})
    opened = visit(serve(folder))
    for path in photos[:5]:
        found = light(path, score_threshold=(THRESHOLD - 1) / 100)
        areas = [int(mask.sum()) for mask in found.masks]
        there = list(zip(found.names, found.scores, areas, strict=True))
        _compare(opened.open(path, threshold=THRESHOLD), there)
    assert opened.complaints == []


def test_the_export_says_what_the_page_is_and_how_it_compares_with_the_model(web):
    info = json.loads((web.parent / "export.json").read_text())
    assert {name: entry["format"] for name, entry in info["files"].items()} == {"web": "web"}
    assert info["files"]["web"]["size"] == sum(
        path.stat().st_size for path in web.rglob("*") if path.is_file()
    )
    assert info["parity"]["web"]["missing"] == info["parity"]["web"]["extra"] == 0
    light = official_yolact_runtime.load(str(web.parent))
    assert light.categories.names == ("fig", "date")


def test_names_of_classes_and_files_are_text(web, serve, visit, photos, tmp_path):
    folder = shutil.copytree(web, tmp_path / "web")
    described = json.loads((folder / "model.json").read_text())
    harm = "<img src=/nothing onerror=\"document.title='harmed'\"><script>document.title='harmed'</script>"
    for category in described["categories"]:
        category["name"] = f"{harm}{category['id']}"
    (folder / "model.json").write_text(json.dumps(described))
    opened = visit(serve(folder))
    rows = opened.open(photos[0], name=f"{harm.replace('/', '')}.png")
    assert {name[: len(harm)] for name, _, _ in rows} == {harm}
    assert opened.page.title() == "Find objects in photos"
    assert opened.page.locator("img").count() == 0
    assert opened.complaints == []
    assert [url for url in opened.requests if "nothing" in url] == []


def test_what_cannot_be_read_is_named_and_the_next_photo_is_found(web, serve, visit, photos, tmp_path):
    opened = visit(serve(web))
    for name, content in {
        "notes.txt": b"text",
        "empty.jpg": b"",
        "half.png": photos[1].read_bytes()[:40],
    }.items():
        (tmp_path / name).write_bytes(content)
        opened.page.set_input_files("#file", tmp_path / name)
        opened.wait_for("#failure", f"{name}: is no picture that this browser can read")
    assert opened.open(photos[0])
    assert not opened.page.is_visible("#failure")
    assert opened.complaints == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "model.tflite: the server answers 404"),
        (b"short", "model.tflite: has 5 of"),
        (b"x" * 10_000_000, "model.tflite: has more than the"),
    ],
    ids=["no model", "a model cut short", "another model"],
)
def test_a_page_without_its_model_says_so(web, serve, visit, tmp_path, content, says):
    folder = shutil.copytree(web, tmp_path / "web")
    (folder / "model.tflite").unlink()
    if content is not None:
        (folder / "model.tflite").write_bytes(content)
    opened = visit(serve(folder))
    opened.wait_for("#failure", f"The model cannot be loaded: {says}")
    assert not opened.page.is_visible("#progress")


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_its_window_and_is_worked_by_the_keyboard(web, serve, visit, photos, width):
    opened = visit(serve(web), width=width)
    page = opened.page
    rows = opened.open(photos[0])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    buttons = page.locator("label.button, button:visible, input[type=range]")
    assert all(box.bounding_box()["height"] >= 44 for box in buttons.all())
    page.get_by_label("Choose a photo").focus()
    reached = []
    for _ in range(8):
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        page.keyboard.press("Tab")
    assert reached[:7] == ["file", "camera", "save", "save-coco", "save-cut-outs", "threshold", "name"]
    page.get_by_role("slider", name="Lowest score shown").press("End")
    opened.wait_for("#summary", "0 objects")
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "95 percent"
    page.get_by_role("slider").press("Home")
    opened.wait_for("#summary", "objects: ")
    first = page.get_by_role("button", name=rows[0][0], exact=True).first
    first.press("Enter")
    assert first.get_attribute("aria-pressed") == "true"
    name = page.get_by_role("img").get_attribute("aria-label")
    assert name.startswith(f"{photos[0].name}: ")


def test_the_camera_is_followed_until_it_is_stopped_and_the_picture_is_saved(web, serve, visit, tmp_path):
    opened = visit(serve(web))
    page = opened.page
    opened.wait_for("#status", "Ready.")
    page.get_by_role("button", name="Use the camera").click()
    opened.wait_for("#timing", "ms for this photo")
    frames = {_read_picture(page)}
    end = time.monotonic() + 60
    while len(frames) < 3 and time.monotonic() < end:
        frames.add(_read_picture(page))
    assert len(frames) == 3
    page.get_by_role("button", name="Stop the camera").click()
    still = _read_picture(page)
    page.wait_for_timeout(500)
    assert _read_picture(page) == still
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the picture").click()
    saved.value.save_as(tmp_path / "saved.png")
    assert saved.value.suggested_filename == "camera-objects.png"
    with Image.open(tmp_path / "saved.png") as picture:
        assert picture.size == tuple(
            page.eval_on_selector("#canvas", "canvas => [canvas.width, canvas.height]")
        )
    assert opened.complaints == []


def _read_picture(page):
    return page.eval_on_selector("#canvas", "canvas => canvas.toDataURL()")
