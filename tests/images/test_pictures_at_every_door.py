"""Every kind of bad picture meets the same verdict at every door; damage gives a picture or a named error."""

from __future__ import annotations

import functools
import io
import os
import pathlib
import re
import socket
import struct
import time
import zlib

import fuzzing
import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest

import official_yolact
import official_yolact_runtime
from official_yolact.data.checking import file_facts
from official_yolact.images import image_files
from official_yolact.images import image_folders
from official_yolact.serving import tensorflow_runtime
from official_yolact_runtime.images import arrays as images
from official_yolact_runtime.images import formats
from official_yolact_runtime.images import reading

read_image = functools.partial(images.read_image, decode=tensorflow_runtime.TensorFlowRuntime.decode)


def encode(kind: str, size: tuple[int, int] = (40, 24), mode: str = "RGB", **options: object) -> bytes:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def progressive(side: int, scans: int) -> bytes:
    """A grey JPEG whose last scan comes so many times."""
    buffer = io.BytesIO()
    PIL.Image.new("L", (side, side), 90).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + b"\xff\xd9"


def claiming_png(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = chunk(b"IHDR", side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0")
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def claiming_jpeg(side: int) -> bytes:
    data = bytearray(encode("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = side.to_bytes(2, "big") * 2
    return bytes(data)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 24\n%%EndComments\n0 0 moveto\nshowpage\n%%EOF\n"

BAD = {
    "an empty file": lambda: b"",
    "a web page": lambda: b"<html>not found</html>",
    "PostScript": lambda: EPS,
    "AVIF": lambda: b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(200),
    "DDS": lambda: encode("DDS"),
    "ICO": lambda: encode("ICO"),
    "ICNS": lambda: encode("ICNS", (64, 64)),
    "PCX": lambda: encode("PCX"),
    "SGI": lambda: encode("SGI"),
    "IM": lambda: encode("IM"),
    "a cut JPEG": lambda: encode("JPEG", (200, 200))[:-300],
    "a cut PNG": lambda: encode("PNG")[:900],
    "a PNG that claims 49 million pixels": lambda: claiming_png(7000),
    "a JPEG that claims 49 million pixels": lambda: claiming_jpeg(7000),
    "a PNG of 81 million pixels": lambda: claiming_png(9000),
    "a TIFF of fractions": lambda: encode("TIFF", mode="F"),
    "a JPEG of 2,000 scans": lambda: progressive(1000, 2000),
}
GOOD = {kind: (lambda kind=kind: encode(kind)) for kind in formats.FORMATS} | {
    "MPO": lambda: encode("MPO", save_all=True),
    "a progressive JPEG": lambda: encode("JPEG", (200, 200), progressive=True),
    "a JPEG of 200 small scans": lambda: progressive(64, 200),
}


@pytest.fixture(autouse=True)
def no_other_decoder(monkeypatch):
    """Nothing but the decoders of the list may begin."""
    PIL.Image.init()
    for kind, (factory, accept) in list(PIL.Image.OPEN.items()):
        if kind not in formats.FORMATS:

            def refuse(*args, kind=kind):
                raise AssertionError(f"{kind} was tried")

            monkeypatch.setitem(PIL.Image.OPEN, kind, (refuse, accept))
            assert factory is not refuse


def verdicts(folder: pathlib.Path, data: bytes) -> dict[str, str]:
    """What each door says, empty where it takes the picture."""
    path = folder / "a.jpg"
    path.write_bytes(data)
    (facts,) = file_facts.inspect(["a.jpg"], image_folders.ImageFolder(str(folder)))
    said = {"check": facts.reason}
    for door, call in (
        ("convert", lambda: image_files.read(str(path), None, None, "c.json: image 3")),
        ("predict", lambda: read_image(str(path))),
        ("bytes", lambda: read_image(data)),
    ):
        try:
            call()
            said[door] = ""
        except ValueError as error:
            said[door] = str(error)
    return said


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_refused_at_every_door_in_time(kind, tmp_path):
    data = BAD[kind]()
    begin = time.process_time()
    said = verdicts(tmp_path, data)
    assert all(said.values()), said
    assert all("\n" not in text for text in said.values())
    assert "a.jpg" in said["convert"]
    assert "a.jpg" in said["predict"]
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_picture_is_taken_at_every_door(kind, tmp_path):
    assert set(verdicts(tmp_path, GOOD[kind]()).values()) == {""}


@pytest.mark.parametrize("kind", ["DDS", "ICO", "PCX", "SGI", "IM"])
def test_a_format_that_is_not_read_is_answered_with_those_that_are(kind, tmp_path):
    for text in verdicts(tmp_path, encode(kind)).values():
        assert ", ".join(formats.FORMATS) in text


def test_scans_times_pixels_are_counted_from_the_markers():
    for scans, is_refused in ((10, False), (2000, True)):
        data = progressive(1000, scans)
        picture = reading.open_picture(data)
        if is_refused:
            with pytest.raises(reading.PictureError, match="come in 20.. scans"):
                reading.check_size(picture, data)
        else:
            reading.check_size(picture, data)


def test_special_files_are_refused_before_they_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(tmp_path / "socket"))
    for path in [*map(str, sorted(tmp_path.iterdir())), "/dev/zero"]:
        with pytest.raises(OSError, match=re.escape(path)):
            read_image(path)
        with pytest.raises(image_files.BadImageError, match=re.escape(path)):
            image_files.read(path, None, None, "c.json: image 3")
    folder = image_folders.ImageFolder(str(tmp_path))
    names = ["pipe", "folder", "dangling", "socket"]
    assert all(facts.state != file_facts.FOUND for facts in file_facts.inspect(names, folder))
    bound.close()


def test_a_photo_that_may_not_be_read_is_a_bad_image(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(encode("JPEG"))

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(reading, "open_file", refuse)
    with pytest.raises(image_files.BadImageError, match=r"a\.jpg .*Permission denied"):
        image_files.read(str(tmp_path / "a.jpg"), None, None, "c.json: image 3")


@pytest.mark.parametrize(
    "error", [RuntimeError, NotImplementedError, MemoryError, ZeroDivisionError, KeyError]
)
def test_every_error_of_a_decoder_is_that_of_its_file(error, tmp_path, monkeypatch):
    def fail(*args):
        raise error("within the decoder")

    monkeypatch.setattr("PIL.BmpImagePlugin.BmpImageFile.load", fail)
    assert all("within the decoder" in text for text in verdicts(tmp_path, encode("BMP")).values())


def test_arrays_have_the_limit_of_files():
    wide = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (7000, 7200, 3))
    with pytest.raises(ValueError, match="at most 50000000 pixels"):
        read_image(wide)


def test_pictures_are_opened_in_one_place():
    for package, places in ((official_yolact, []), (official_yolact_runtime, ["images/reading.py"])):
        root = pathlib.Path(package.__file__).parent
        found = [path for path in root.rglob("*.py") if re.search(r"\bImage\.open\(", path.read_text())]
        assert [path.relative_to(root).as_posix() for path in found] == places


def tiff_with_tag(tag: int, kind: int, value: bytes) -> bytes:
    """A grey 8x8 TIFF in one strip, with one more tag: the type and the four bytes of its value."""
    tags = [
        (256, 3, 8),
        (257, 3, 8),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, 8),
        (279, 4, 64),
    ]
    entries = [struct.pack("<HHII", number, form, 1, amount) for number, form, amount in tags]
    entries.append(struct.pack("<HHI", tag, kind, 1) + value)
    listed = struct.pack("<H", len(entries)) + b"".join(
        sorted(entries, key=lambda entry: entry[0] + 256 * entry[1])
    )
    return b"II*\0" + struct.pack("<I", 8 + 64) + bytes(range(64)) + listed + bytes(4)


@pytest.mark.parametrize("tag", [322, 323], ids=["width", "length"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(11, struct.pack("<f", float("inf")), id="infinity"),
        pytest.param(11, struct.pack("<f", float("nan")), id="not_a_number"),
        pytest.param(11, struct.pack("<f", -5e9), id="negative_float"),
        pytest.param(11, struct.pack("<f", 16.0), id="whole_float"),
        pytest.param(4, struct.pack("<I", 0), id="nothing"),
        pytest.param(9, struct.pack("<i", -8), id="negative"),
        pytest.param(4, struct.pack("<I", 2**32 - 1), id="four_thousand_million"),
        pytest.param(2, b"8\0\0\0", id="text"),
    ],
)
def test_sizes_of_tiles_are_whole_numbers_within_bounds(tag, kind, value, tmp_path):
    assert set(verdicts(tmp_path, tiff_with_tag(305, 2, b"ab\0\0")).values()) == {""}
    data = tiff_with_tag(tag, kind, value)
    assert all("tile" in said for said in verdicts(tmp_path, data).values())
    with pytest.raises(ValueError, match="tiles"):
        reading.read_header(str(tmp_path / "a.jpg"))


def png_with_orientation(place: str, orientation: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    if place == "first":
        return encode("PNG", exif=exif)
    data = encode("PNG")
    at = {"last": data.index(b"IEND") - 4, "text": data.index(b"IDAT") - 4}[place]
    content, kind = exif.tobytes(), b"eXIf"
    if place == "text":
        kind, content = b"tEXt", b"Raw profile type exif\0\nexif\n99\n" + content.hex().encode()
    else:
        content = content.removeprefix(b"Exif\0\0")
    chunk = len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
    return data[:at] + chunk + data[at:]


@pytest.mark.parametrize("place", ["first", "last", "text"])
def test_the_header_of_a_png_is_read_without_its_pixels(place, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    for orientation in range(1, 9):
        path.write_bytes(png_with_orientation(place, orientation))
        with PIL.Image.open(path) as picture:
            decoded = picture.getexif().get(0x0112)
        header = reading.read_header(str(path))
        assert header.orientation == decoded == orientation
        assert header.stored == (24, 40)
    assert read_image(str(path)).shape[:2] == (40, 24)


def test_no_format_is_decoded_for_its_header(tmp_path, monkeypatch):
    sizes = []
    load = PIL.ImageFile.ImageFile.load
    monkeypatch.setattr(
        PIL.ImageFile.ImageFile, "load", lambda self: (sizes.append(self.size), load(self))[1]
    )
    for kind in formats.FORMATS:
        (tmp_path / "a.jpg").write_bytes(encode(kind))
        assert reading.read_header(str(tmp_path / "a.jpg")).stored == (24, 40)
    assert not {size for size in sizes if size != (1, 1)}


def spoil_pictures(count: int):
    rng = np.random.default_rng(11)
    sound = [make() for make in GOOD.values()]
    for number in range(count):
        data = bytearray(sound[number % len(sound)])
        for at in rng.integers(0, min(len(data), 400 if number % 2 else len(data)), rng.integers(1, 8)):
            data[at] = rng.integers(256)
        yield bytes(data[: rng.integers(1, 2 * len(data))])


def test_mutated_pictures_are_pictures_or_errors_with_a_name(tmp_path):
    path = tmp_path / "a.jpg"

    def read(content):
        path.write_bytes(content)
        predicted = fuzzing.try_door(lambda: read_image(str(path)), "a.jpg")
        fuzzing.try_door(lambda: image_files.read(str(path), None, None, "c.json: image 3"), "a.jpg")
        return predicted

    fuzzing.hold("pictures", spoil_pictures(fuzzing.COUNT), read, seconds=10)
