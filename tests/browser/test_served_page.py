"""The page of a server, in headless Chromium."""

import io
import json
import threading
import zipfile

import numpy as np
import pytest
import small_runtime
from PIL import Image

from official_yolact.serve import models
from official_yolact.serve import server
from official_yolact.serve import service
from official_yolact.serve import settings as settings_lib
from official_yolact_runtime import run_lengths


@pytest.fixture
def serve_small():
    """Start a server over the small runtime; gives its address."""
    ends = []

    def start(names=("small",), **settings):
        chosen = settings_lib.Settings(access_log=False, **settings)
        store = models.Store(
            {name: name for name in names}, 1, lambda path, threads: small_runtime.make_predictor()
        )
        one = server.Server(service.Service(chosen, store))
        listener = server.listen("127.0.0.1", 0)
        thread = threading.Thread(target=one.run, args=([listener],))
        thread.start()
        ends.append((one, thread))
        return f"http://localhost:{listener.getsockname()[1]}/"

    yield start
    for one, thread in ends:
        one.should_exit = True
        thread.join(60)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A photo on its side, as a camera's EXIF says."""
    path = tmp_path_factory.mktemp("photo") / "lying.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def _read_picture(page):
    return page.eval_on_selector("#canvas", "canvas => canvas.toDataURL()")


def _save(page, button, path):
    with page.expect_download() as saved:
        page.get_by_role("button", name=button).click()
    saved.value.save_as(path)
    return saved.value.suggested_filename


def test_the_page_shows_and_saves_what_the_predictor_finds(serve_small, visit, photo, tmp_path):
    address = serve_small()
    opened = visit(address)
    page, expected = opened.page, small_runtime.make_predictor()(photo, score_threshold=0.05)
    rows = opened.open(photo, threshold=5)
    assert rows == [
        [name, pytest.approx(float(score)), int(mask.sum())]
        for name, score, mask in zip(expected.names, expected.scores, expected.masks, strict=True)
    ]
    assert page.get_by_role("img").get_attribute("aria-label") == "lying.jpg: 3 objects: 2 fig, 1 date."
    asked = len(opened.requests)
    page.get_by_role("slider").fill("60")
    opened.wait_for("#summary", "2 objects: 1 fig, 1 date.")
    assert len(opened.requests) == asked
    page.get_by_role("slider").fill("5")
    assert _save(page, "Save as COCO", tmp_path / "coco.json") == "lying-coco.json"
    saved = json.loads((tmp_path / "coco.json").read_text())
    assert saved["images"] == [{"id": 1, "file_name": "lying.jpg", "height": 160, "width": 90}]
    assert saved["categories"] == [{"id": 3, "name": "fig"}, {"id": 5, "name": "date"}]
    for annotation, result in zip(saved["annotations"], expected.to_coco(1), strict=True):
        assert annotation["segmentation"] == result["segmentation"]
        assert annotation["area"] == run_lengths.decode_mask(result["segmentation"]).sum()
        assert annotation["bbox"] == pytest.approx(result["bbox"])
    assert _save(page, "Save cut-outs", tmp_path / "cut.zip") == "lying-objects.zip"
    with zipfile.ZipFile(tmp_path / "cut.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["001-fig.png", "002-date.png", "003-fig.png"]
        for name, mask in zip(archive.namelist(), expected.masks, strict=True):
            with Image.open(io.BytesIO(archive.read(name))) as part:
                assert (np.asarray(part)[:, :, 3] > 0).sum() == mask.sum()
    assert _save(page, "Save the picture", tmp_path / "a.png") == "lying-objects.png"
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith((address, f"blob:{address}"))] == []


def test_what_the_pointer_is_over_stands_out_in_the_list_and_in_the_picture(serve_small, visit, photo):
    opened = visit(serve_small())
    page = opened.page
    opened.open(photo)
    still = _read_picture(page)
    page.locator("#rows tr").nth(1).hover()
    assert page.locator("#rows tr.hovered .name").inner_text() == "date"
    strong = _read_picture(page)
    assert strong != still
    page.mouse.move(0, 0)
    page.wait_for_selector("#rows tr.hovered", state="detached")
    assert _read_picture(page) == still
    box = page.locator("#canvas").bounding_box()
    # The second object lies in the cells of rows 2 to 10 and columns 4 to 10 of 16.
    page.mouse.move(box["x"] + box["width"] * 6 / 16, box["y"] + box["height"] * 3 / 16)
    page.wait_for_selector("#rows tr.hovered")
    assert page.locator("#rows tr.hovered .name").inner_text() == "date"
    assert _read_picture(page) == strong
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(0, 0)
    assert page.locator("button[aria-pressed=true].name").inner_text() == "date"


def test_refusals_are_shown_and_the_next_photo_is_found(serve_small, visit, photo, tmp_path):
    opened = visit(serve_small(max_bytes=100_000))
    large = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)).save(large)
    opened.page.set_input_files("#file", large)
    opened.wait_for("#failure", "large.png: the body has more than 100000 bytes")
    (tmp_path / "notes.txt").write_text("notes")
    opened.page.set_input_files("#file", tmp_path / "notes.txt")
    opened.wait_for("#failure", "notes.txt: is no picture that this browser can read")
    assert opened.open(photo)
    assert not opened.page.is_visible("#failure")


def test_the_token_is_asked_for_and_models_are_chosen(serve_small, visit):
    opened = visit(serve_small(names=("nuts", "fruit"), token="secret"))
    page = opened.page
    for said, word in (("This server wants a token.", "wrong"), ("This is not the token", "secret")):
        opened.wait_for("#status", said)
        page.get_by_label("Token of this server").fill(word)
        page.keyboard.press("Enter")
    opened.wait_for("#status", "Ready.")
    assert not page.is_visible("#entry")
    page.get_by_role("button", name="Take an example").click()
    opened.wait_for("#status", "example: 512 x 512 pixels.")
    opened.wait_for("#about", "nuts: 2 classes, computed by numpy.")
    page.get_by_label("Model").select_option("fruit")
    opened.wait_for("#about", "fruit: 2 classes")
    opened.wait_for("#status", "example: 512")
    assert any("model=fruit" in url for url in opened.requests)
    page.reload()
    opened.wait_for("#status", "Ready.")


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_of_a_server_fits_its_window_and_is_worked_by_the_keyboard(serve_small, visit, photo, width):
    opened = visit(serve_small(), width=width)
    page = opened.page
    opened.open(photo)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    buttons = page.locator("label.button:visible, button:visible, input[type=range]")
    assert all(box.bounding_box()["height"] >= 44 for box in buttons.all())
    page.get_by_label("Choose a photo").focus()
    reached = []
    for _ in range(8):
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        page.keyboard.press("Tab")
    assert reached == ["file", "camera", "example", "save", "save-coco", "save-cut-outs", "threshold", "name"]
    first = page.get_by_role("button", name="fig", exact=True).first
    first.press("Enter")
    assert first.get_attribute("aria-pressed") == "true"
    # Every control has a name that is read out.
    assert all(
        page.get_by_role(role).first.evaluate(
            "each => each.labels?.length || each.textContent.trim() || each.ariaLabel"
        )
        for role in ("button", "slider", "img")
    )


def test_the_camera_is_followed_until_it_is_stopped_by_a_server_too(serve_small, visit):
    opened = visit(serve_small())
    page = opened.page
    opened.wait_for("#status", "Ready.")
    page.get_by_role("button", name="Use the camera").click()
    opened.wait_for("#timing", "there and back")
    first = _read_picture(page)
    page.wait_for_function("first => document.querySelector('#canvas').toDataURL() !== first", arg=first)
    page.get_by_role("button", name="Stop the camera").click()
    still = _read_picture(page)
    page.wait_for_timeout(300)
    assert _read_picture(page) == still
    assert opened.complaints == []
