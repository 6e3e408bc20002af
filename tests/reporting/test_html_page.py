import base64
import hashlib
import html
import io
import json
import pathlib
import re

import cv2
import numpy as np
import pytest
import report_example
from PIL import Image

from official_yolact.images import thumbnails
from official_yolact.reporting import html_file
from official_yolact.reporting import html_outlines
from official_yolact.reporting import html_page
from official_yolact_runtime import run_lengths

HARM = "</script><script>document.title='harmed'</script><img src=x onerror=alert(1)>\u202e\u2028'\""


def read_data(page):
    text = re.search(r'<script type="application/json" id="report">(.*?)</script>', page, re.S).group(1)
    return json.loads(text)


def write_photos(folder, size=(80, 60)):
    rng = np.random.default_rng(0)
    for number in (1, 2, 3):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=95)
    return str(folder)


def test_a_page_holds_the_numbers_of_its_report_and_a_picture_of_each_image(tmp_path):
    report = report_example.make_report()
    path = html_page.write_page(report, str(tmp_path / "out"), write_photos(tmp_path))
    assert path == str(tmp_path / "out" / "report.html")
    data = read_data(pathlib.Path(path).read_text())
    assert data["measurements"]["box"]["numbers"] == report["measurements"]["box"]["numbers"]
    assert data["evaluated"] == report["evaluated"]
    assert sorted(data["pictures"]) == ["1", "2", "3"]
    for picture in data["pictures"].values():
        kind, encoded = picture["src"].split(",")
        assert kind == "data:image/webp;base64"
        assert Image.open(io.BytesIO(base64.b64decode(encoded))).size == (80, 60)
    cells = data["measurements"]["mask"]["confusion"][0]["cells"]
    expected = report["measurements"]["mask"]["confusion"][0]["cells"]
    assert cells == [[cell["truth"], cell["found"], cell["count"]] for cell in expected]


def test_a_page_refers_to_nothing_and_allows_its_own_script_and_style_alone():
    page = html_page.format_page(report_example.make_report()).decode()
    assert re.findall(r"<(?:link|img|iframe|script[^>]* src)", page.split("</style>")[0]) == []
    assert set(re.findall(r"https?://[^\"' )]+", page)) == {"http://www.w3.org/2000/svg"}
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1))
    script = re.search(r"<script>(.*?)</script>", page, re.S).group(1)
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    assert f"script-src 'sha256-{hashes[0]}'" in policy
    assert f"style-src 'sha256-{hashes[1]}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_no_name_ends_an_element_of_the_page():
    report = report_example.make_report((HARM, "fig"))
    report["title"] = HARM
    for image in report["images"]["worst"]:
        image["file_name"] = HARM
    page = html_page.format_page(report).decode()
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    data = read_data(page)
    assert data["classes"][0]["name"] == data["title"] == data["images"]["worst"][0]["file_name"] == HARM


def test_numbers_that_json_has_no_word_for_are_unknown():
    report = report_example.make_report()
    report["measurements"]["box"]["numbers"]["AP"]["value"] = float("nan")
    assert (
        read_data(html_page.format_page(report).decode())["measurements"]["box"]["numbers"]["AP"]["value"]
        is None
    )


def test_photos_are_made_smaller_until_the_page_keeps_its_limit(tmp_path, monkeypatch):
    folder = write_photos(tmp_path, (1600, 1200))
    report = report_example.make_report()
    whole = html_page.format_page(report, folder)
    bare = len(html_page.format_page(report))
    sides = []
    for limit in (len(whole), (len(whole) + bare) // 2, bare + 40_000):
        monkeypatch.setattr(html_file, "MAX_BYTES", limit)
        page = html_page.format_page(report, folder)
        assert len(page) <= limit
        sides.append(read_data(page.decode())["pictures"]["1"]["width"])
    assert sides[0] == 800
    assert sides == sorted(sides, reverse=True)
    assert len(set(sides)) == 3


def test_an_image_without_a_photo_is_drawn_without_it(tmp_path):
    write_photos(tmp_path)
    (tmp_path / "2.jpg").write_bytes(b"no picture")
    (tmp_path / "3.jpg").unlink()
    data = read_data(html_page.format_page(report_example.make_report(), str(tmp_path)).decode())
    assert [data["pictures"][name]["src"] is None for name in "123"] == [False, True, True]
    assert data["pictures"]["3"] == {"width": 80, "height": 60, "src": None}


def test_a_page_replaces_its_own_and_no_other(tmp_path):
    report = report_example.make_report()
    for _ in range(2):
        path = html_page.write_page(report, str(tmp_path))
    pathlib.Path(path).write_text("mine")
    with pytest.raises(ValueError, match=r"report\.html exists"):
        html_page.write_page(report, str(tmp_path))
    assert pathlib.Path(path).read_text() == "mine"


def draw_path(path, size):
    """Fill a path by the even-odd rule, at eight times its size, and take the middle of each pixel."""
    rings = [
        np.array([[float(each) for each in point.split()] for point in ring.strip("Z").split("L")]) * 8
        for ring in path.split("M")[1:]
    ]
    canvas = np.zeros((size[0] * 8, size[1] * 8), np.uint8)
    cv2.fillPoly(canvas, [ring.astype(np.int32) for ring in rings], 1)
    return canvas[4::8, 4::8] > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_outline_of_a_mask_fills_the_mask_with_its_holes(seed):
    rng = np.random.default_rng(seed)
    mask = cv2.GaussianBlur(rng.random((40, 50)), (0, 0), 2) > 0.5
    path = html_outlines.draw_mask(run_lengths.encode_masks(mask[np.newaxis])[0], (1.0, 1.0), 0.0)
    np.testing.assert_array_equal(draw_path(path, mask.shape), mask)


def test_the_outline_of_a_smaller_copy_lies_where_the_mask_lies():
    mask = np.zeros((400, 600), np.bool_)
    mask[100:300, 200:500] = True
    mask[150:250, 300:400] = False
    path = html_outlines.draw_mask(run_lengths.encode_masks(mask[np.newaxis])[0], (0.1, 0.1), 0.3)
    np.testing.assert_array_equal(draw_path(path, (40, 60)), mask[5::10, 5::10])


def test_a_mask_of_which_nothing_is_left_in_the_copy_is_drawn_as_its_box(tmp_path):
    report = report_example.make_report()
    for image in report["images"]["worst"]:
        image["objects"][0]["segmentation"] = run_lengths.encode_masks(np.zeros((1, 60, 80), np.bool_))[0]
    drawn = read_data(html_page.format_page(report).decode())["images"]["worst"][0]["objects"][0]
    assert drawn["path"] == "M10.0 10.0H30.0V30.0H10.0Z"
    assert drawn["box"] == [10, 10, 30, 30]


def test_without_stated_sizes_objects_are_drawn_in_the_size_of_a_mask_or_around_the_boxes():
    report = report_example.make_report()
    first, second = report["images"]["worst"][:2]
    for image in (first, second):
        image["height"] = image["width"] = None
    for each in [*second["objects"], *second["detections"]]:
        each["segmentation"] = None
    pictures = read_data(html_page.format_page(report).decode())["pictures"]
    assert (pictures["1"]["width"], pictures["1"]["height"]) == (80, 60)
    assert (pictures["2"]["width"], pictures["2"]["height"]) == (70, 60)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_small_copy_is_turned_as_the_annotations_have_it(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[:200, :300] = 255  # the upper left quarter, as stored
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    upright = {1: (400, 600), 3: (400, 600), 6: (600, 400), 8: (600, 400)}[orientation]
    turned = np.asarray(thumbnails.read(str(tmp_path / "a.jpg"), 60, upright))
    assert turned.shape[:2] == (upright[0] // 10, upright[1] // 10)
    expected = np.rot90(pixels[::10, ::10], {1: 0, 3: 2, 6: 3, 8: 1}[orientation])
    assert np.mean(np.abs(turned.astype(int) - expected) < 40) > 0.95
    if orientation in (6, 8):
        assert thumbnails.read(str(tmp_path / "a.jpg"), 60, (400, 600)).size == (60, 40)


# Machado, Oliveira and Fernandes, 2009: linear RGB as it is seen without one kind of cones.
BLIND = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("kind", BLIND)
def test_found_false_and_missed_have_colours_that_the_colour_blind_tell_apart(kind):
    script = (pathlib.Path(html_page.__file__).parent / "page" / "pictures.js").read_text()
    found = dict(re.findall(r"(found|false|missed): \{ sign: \".\", color: \"#(\w{6})\"", script))
    assert len(found) == 3
    seen = []
    for color in found.values():
        linear = (np.array([int(color[at : at + 2], 16) for at in (0, 2, 4)]) / 255) ** 2.2
        mixed = np.clip(np.array(BLIND[kind]) @ linear, 0, 1) ** (1 / 2.2)
        lab = cv2.cvtColor(mixed.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2LAB)
        seen.append(lab.ravel())
    distances = [np.linalg.norm(a - b) for at, a in enumerate(seen) for b in seen[:at]]
    assert min(distances) > 25
