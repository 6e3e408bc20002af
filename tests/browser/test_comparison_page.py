"""The page of a comparison, in headless Chromium."""

import json
import pathlib

import known_mistakes
import numpy as np
import pytest
from PIL import Image

from official_yolact.cli import main

WORSE = [["right", "missed", "right"]] * 8 + [["right"] * 3] * 4
BETTER = [["right"] * 3] * 11 + [["right", "missed", "right"]]
HARM = "<img src=/nothing onerror=alert(1)></script><script>alert(2)</script>"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page that `yolact compare --report` writes of classes and a file with harmful names."""
    folder = tmp_path_factory.mktemp("compared")
    annotations, worse = known_mistakes.write_set(folder, WORSE, "worse")
    _, better = known_mistakes.write_set(folder, BETTER, "better")
    content = json.loads(pathlib.Path(annotations).read_text())
    for category in content["categories"]:
        category["name"] = f"{HARM}{category['id']}"
    for image in content["images"]:
        pixels = np.random.default_rng(0).integers(
            0, 256, (image["height"], image["width"], 3), dtype=np.uint8
        )
        image["file_name"] = f"{image['id']}.png"
        Image.fromarray(pixels).save(folder / image["file_name"])
    pathlib.Path(annotations).write_text(json.dumps(content))
    words = [
        "compare",
        worse,
        better,
        "--annotations",
        annotations,
        "--images",
        folder,
        "--report",
        folder / "out",
    ]
    assert main.main(list(map(str, words))) == 0
    return (folder / "out" / "compare.html").as_uri()


@pytest.mark.parametrize("width", [400, 1400])
def test_differences_and_the_images_that_changed_are_drawn_side_by_side(address, visit, width):
    opened = visit(address, width=width)
    page = opened.page
    assert "better-results.json is better by" in page.locator(".advice").inner_text()
    ids = page.eval_on_selector_all("main section", "all => all.map(each => each.id)")
    assert ids == ["mask-0", "box-0", "better-0", "worse-0"]
    assert page.locator("#better-0 .card").count() == 8
    assert page.locator("#worse-0 .card").count() == 1
    assert page.locator(".photo image[href^='data:image/webp']").count() == 3 * 9
    rows = page.locator("#mask-0 tbody tr")
    assert page.locator("#mask-0 circle.difference").count() == rows.count() > 8
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [address]


def test_each_side_says_what_it_found_and_classes_are_sorted_by_their_difference(address, visit):
    page = visit(address).page
    captions = page.locator("#better-0 .card").first.locator("figcaption").all_inner_texts()
    assert captions == [
        "Ground truth",
        "worse-results.json: 2 found, 0 false, 1 missed",
        "better-results.json: 3 found, 0 false, 0 missed",
    ]
    cells = page.locator("#mask-0 table").nth(1).locator("tbody tr td:nth-child(4)").all_inner_texts()
    points = [float(text.replace("−", "-")) for text in cells]
    assert points == sorted(points)
    assert max(points) > 0
    names = page.locator("#mask-0 table").nth(1).locator("tbody th").all_inner_texts()
    assert all(name.startswith(HARM) for name in names)
    assert page.locator("img").count() == 0
