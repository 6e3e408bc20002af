"""`/v1/predict` and the answers to what is no picture, over sockets."""

import base64
import io
import json
import logging
import re
import zlib

import numpy as np
import pytest
import small_runtime
from PIL import Image

from official_yolact_runtime import photo_masks
from official_yolact_runtime import run_lengths


def test_the_answer_is_the_text_of_the_detections(served, picture):
    data = picture(48, 64)
    expected = small_runtime.make_predictor()(data)
    answer = served.post(data)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.text == expected.to_json()
    few = served.post(data, "?threshold=0.6&max_detections=1")
    assert few.text == small_runtime.make_predictor()(data, 0.6, 1).to_json()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF"])
def test_a_form_with_one_file_is_as_good_as_its_bytes(served, picture, kind):
    data = picture(30, 50, kind)
    form = served.client.post("/v1/predict", files={"any": ("name.dat", data)}, data={"other": "field"})
    assert form.status_code == 200
    assert form.text == served.post(data).text


def test_every_form_of_masks_says_the_same(served, picture):
    data = picture(48, 64)
    answers = {
        form: served.post(data, f"?masks={form}").json() for form in ("rle", "polygons", "png", "none")
    }
    rows = {form: answer.pop("detections") for form, answer in answers.items()}
    assert all(answer == {"height": 48, "width": 64} for answer in answers.values())
    for rle, polygons, png, none in zip(*rows.values(), strict=True):
        mask = run_lengths.decode_mask(rle.pop("segmentation"))
        drawn = png.pop("segmentation")
        with Image.open(io.BytesIO(base64.b64decode(drawn["png"]))) as part:
            left, top = drawn["origin"]
            window = photo_masks.Window(top, left, np.asarray(part).astype(bool))
        assert (photo_masks.draw_windows([window], *drawn["size"])[0] == mask).all()
        (outline,) = polygons.pop("segmentation")
        x, y = np.array(outline).reshape(-1, 2).T
        # The shoelace formula: the masks of the small runtime have no holes.
        assert abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 == mask.sum()
        assert rle == polygons == png == none


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/jpeg", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("application/json;q=0.2, image/jpeg;q=0.9", "image/jpeg"),
        ("application/json, image/jpeg;q=0.9", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("image/jpeg;q=oops,,;", "image/jpeg"),
    ],
)
def test_a_picture_is_drawn_for_who_asks_for_one(served, picture, accept, kind):
    answer = served.post(picture(48, 64), Accept=accept)
    assert answer.headers["Content-Type"] == kind
    if kind == "image/jpeg":
        with Image.open(io.BytesIO(answer.content)) as drawn:
            assert drawn.size == (64, 48)


def _huge_header():
    """A PNG that claims 300 megapixels, in some bytes."""
    small = bytearray(_png())
    small[16:24] = (30_000).to_bytes(4, "big") + (10_000).to_bytes(4, "big")
    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    return bytes(small)


def _png():
    buffer = io.BytesIO()
    Image.effect_noise((8, 8), 50).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


BAD = [
    pytest.param(b"", 400, "the body is empty", id="empty"),
    pytest.param(b"hello, I am a text", 415, "no known image format", id="text"),
    pytest.param(b"/etc/passwd", 415, "no known image format", id="path"),
    pytest.param(b"photo.jpg", 415, "no known image format", id="name"),
    pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "no known image format", id="svg"),
    pytest.param(b"\0\0\0\x18ftypheic" + bytes(40), 415, "HEIC", id="heic"),
    pytest.param(_png()[:60], 415, "", id="cut off"),
    pytest.param(b"\xff\xd8\xff\xe0" + bytes(100), 415, "", id="damaged"),
    pytest.param(_huge_header(), 413, "pixels", id="too many pixels"),
    pytest.param(bytes(400_001), 413, "more than 400000 bytes", id="too many bytes"),
]


@pytest.mark.parametrize(("data", "status", "message"), BAD)
def test_what_cannot_be_read_is_refused_with_the_reason_and_spoils_nothing(
    served, picture, data, status, message
):
    answer = served.post(data)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert message in answer.json()["error"]
    assert "Traceback" not in answer.text
    assert "official_yolact" not in answer.text
    good = picture(48, 64)
    assert served.post(good).text == small_runtime.make_predictor()(good).to_json()
    form = served.client.post("/v1/predict", files={"image": ("a.jpg", data)})
    assert form.status_code == status


def test_chunks_without_a_length_are_counted_too(served):
    endless = (bytes(50_000) for _ in range(20))
    assert served.client.post("/v1/predict", content=endless).status_code == 413


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?threshold=2", "threshold"),
        ("?threshold=nan", "threshold"),
        ("?threshold=", "threshold"),
        ("?max_detections=0", "max_detections"),
        ("?max_detections=1.5", "max_detections"),
        ("?masks=bitmaps", "masks"),
        ("?model=none", "there are small, other"),
    ],
)
def test_a_wrong_option_is_named(served, picture, query, message):
    answer = served.post(picture(), query)
    assert answer.status_code == (404 if "model" in query else 400)
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("multipart/form-data", b"x", "no boundary"),
        ("multipart/form-data; boundary=a", b"", "0 files"),
        ("multipart/form-data; boundary=a", b"--a\r\nnonsense\r\n\r\nx\r\n--a--", ""),
        ("multipart/form-data; boundary=a", b"no form", ""),
    ],
    ids=["no boundary", "empty", "nonsense", "no form"],
)
def test_a_form_that_cannot_be_read_is_refused(served, kind, body, message):
    answer = served.client.post("/v1/predict", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_a_form_with_two_files_is_refused(served, picture):
    files = [("image", ("a.jpg", picture())), ("image", ("b.jpg", picture()))]
    assert "2 files" in served.client.post("/v1/predict", files=files).json()["error"]


def test_a_compressed_body_is_refused(served, picture):
    answer = served.post(picture(), **{"Content-Encoding": "gzip"})
    assert (answer.status_code, "Content-Encoding" in answer.json()["error"]) == (415, True)


def test_addresses_that_do_not_exist_are_refused_in_json(served):
    for method, path, status in (("GET", "/nothing", 404), ("GET", "/v1/predict", 405), ("PUT", "/v2", 405)):
        answer = served.client.request(method, path)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert served.client.get("/docs").status_code == 404


def test_a_fault_of_the_program_is_no_traceback_for_the_client(start, picture, monkeypatch):
    class Faulty(small_runtime.SmallRuntime):
        def detect(self, images):
            if images[0].shape[0] == 13:
                raise RuntimeError("secret of the server")
            return super().detect(images)

    def load(path, threads):
        loaded = small_runtime.make_predictor()
        loaded.runtime = Faulty()
        return loaded

    running = start(loader=load)
    logged = []
    logger = logging.getLogger("official_yolact.serve.middleware")
    monkeypatch.setattr(logger, "error", lambda message, *values: logged.append(message % values))
    answer = running.post(picture(13, 20))
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("a fault of the server")
    assert "secret" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    assert "secret of the server" in logged[0]
    assert running.post(picture(14, 20)).status_code == 200


def test_the_models_are_described(served):
    (small, other) = served.client.get("/v1/models").json()
    assert (small["name"], other["name"]) == ("small", "other")
    assert small["categories"] == [{"id": 3, "name": "fig"}, {"id": 5, "name": "date"}]
    assert json.loads(served.client.get("/openapi.json").text)["paths"]["/v1/predict"]


def test_everything_that_the_page_names_is_served_and_nothing_of_another_host(served):
    index = served.client.get("/")
    assert index.headers["Content-Type"].startswith("text/html")
    names = set(re.findall(r'(?:href|src)="([\w.]+)"', index.text))
    seen = {index.text}
    while names - {"/"}:
        (name, *rest) = sorted(names)
        answer = served.client.get(f"/{name}")
        assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
        names = {*rest, *re.findall(r'from "\./([\w.]+)"', answer.text)} - {name}
        seen.add(answer.text)
    assert len(seen) >= 9
    assert {url for text in seen for url in re.findall(r"https?://\w+", text)} == set()
    with Image.open(io.BytesIO(served.client.get("/example").content)) as example:
        assert example.size == (512, 512)
    assert served.client.get("/../app.py").status_code == 404
    assert served.client.head("/page.css").status_code == 200
