"""Photos that fill 10 to 14 of 16 bits: found, said, and with a bit depth stored and read at their brightness."""

import io
import json
import logging

import cv2
import numpy as np
import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.images import image_files
from official_yolact_runtime.images import arrays as served

HEIGHT, WIDTH = 20, 30


def make(path, bits, channels=1, most=None):
    """Write a picture of 16 bits whose values fill `bits` of them; returns the values, RGB."""
    generator = np.random.default_rng(bits)
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    values = generator.integers(0, 1 << bits, shape, dtype=np.uint16)
    values.flat[0] = (1 << bits) - 1 if most is None else most
    assert cv2.imwrite(str(path), values if channels == 1 else values[..., ::-1])
    return values if channels == 1 else values[..., :3]


def stored(path, bit_depth=16):
    encoded = image_files.read(str(path), None, None, "here", bit_depth=bit_depth)
    with PIL.Image.open(io.BytesIO(encoded.data)) as picture:
        return np.asarray(picture), encoded.changes


def read(path, bit_depth=16):
    def decode(data):  # keeps the high byte of 16, as TensorFlow does
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        values = (values >> 8).astype(np.uint8) if values.dtype == np.uint16 else values
        return np.stack([values] * 3, -1) if values.ndim == 2 else values[..., ::-1]

    seen = []
    return served.read_image(str(path), decode, None, bit_depth, lambda *words: seen.append(words)), seen


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_the_bit_depth_scales_by_one_factor_in_conversion_and_prediction(tmp_path, suffix, channels, bits):
    path = tmp_path / f"a.{suffix}"
    values = make(path, bits, channels)
    wanted = (values // 2 ** (bits - 8)).astype(np.uint8)
    kept, changes = stored(path, bits)
    np.testing.assert_array_equal(kept, wanted)
    assert "images_scaled_to_the_bit_depth" in changes
    shown, seen = read(path, bits)
    np.testing.assert_array_equal(shown, wanted if channels == 3 else np.stack([wanted] * 3, -1))
    assert seen == []
    # Without it both are dark alike, and both say so.
    dark, changes = stored(path)
    assert dark.max() == (values // 256).max() < 64
    assert f"images_of_{bits}_bits_in_16" in changes
    shown, seen = read(path)
    np.testing.assert_array_equal(shown[..., 0], dark if channels == 1 else dark[..., 0])
    assert seen == [(str(path), bits)]


def test_values_beyond_the_bit_depth_are_refused_with_the_right_one(tmp_path):
    make(tmp_path / "a.png", 14)
    with pytest.raises(image_files.BadImageError, match="fill 14 bits, more than --bit-depth 12: choose 14"):
        stored(tmp_path / "a.png", 12)
    with pytest.raises(ValueError, match="fill 14 bits, more than --bit-depth 12"):
        read(tmp_path / "a.png", 12)


def test_pictures_of_8_bits_and_full_ones_of_16_are_as_before(tmp_path):
    PIL.Image.new("RGB", (WIDTH, HEIGHT), (3, 4, 5)).save(tmp_path / "a.png")
    assert stored(tmp_path / "a.png", 12)[0].tolist() == stored(tmp_path / "a.png")[0].tolist()
    make(tmp_path / "b.png", 16)
    assert stored(tmp_path / "b.png")[1] == ("images_transcoded",)
    assert read(tmp_path / "b.png")[1] == []


def test_a_turned_photo_is_scaled_and_turned(tmp_path):
    values = make(tmp_path / "a.png", 12)
    picture = PIL.Image.fromarray(values)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "b.png", exif=exif)
    kept, changes = stored(tmp_path / "b.png", 12)
    np.testing.assert_array_equal(kept, np.rot90(values // 16, -1))
    assert "images_turned" in changes


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two photos of 12 bits, one of them dark, and one of 8."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img").mkdir()
    make("img/a.png", 12)
    make("img/b.png", 9)
    PIL.Image.new("RGB", (WIDTH, HEIGHT), (90, 80, 70)).save("img/c.png")
    names = ["a.png", "b.png", "c.png"]
    box = {"category_id": 1, "bbox": [2, 2, 9, 9], "area": 81, "segmentation": [[2, 2, 11, 2, 11, 11, 2, 11]]}
    images = [
        {"id": at, "file_name": name, "height": HEIGHT, "width": WIDTH} for at, name in enumerate(names)
    ]
    annotations = [{"id": at + 1, "image_id": at, "iscrowd": 0, **box} for at in range(3)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "fig"}]}
    (tmp_path / "ann.json").write_text(json.dumps(content))


def test_check_and_convert_say_the_bit_depth_of_the_set(photos, capsys):
    assert main.main(["data", "check", "ann.json", "--images", "img"]) == 1
    told = capsys.readouterr().out
    assert "D55  warning        2  16 bits a channel, of which fewer are used" in told
    assert "at most 12: --bit-depth 12" in told
    words = ["data", "convert", "ann.json", "--images", "img", "--split", "t", "--json", "--output"]
    assert main.main([*words, "dark"]) == 0
    out, told = capsys.readouterr()
    said = "2 images of 16 bits a channel fill at most 12 of them and are stored as dark as that: convert with --bit-depth 12"
    assert said in told
    assert any(said in note for note in json.loads(out)["notes"])
    assert main.main([*words, "bright", "--bit-depth", "12"]) == 0
    out, told = capsys.readouterr()
    assert (
        "2 images of 16 bits a channel are stored with --bit-depth 12: predict and evaluate with it too"
        in told
    )
    assert json.loads(out)["changed"]["images_scaled_to_the_bit_depth"] == 2
    assert json.loads(out)["options"]["bit_depth"] == 12


def test_a_predictor_warns_once(caplog):
    from official_yolact_runtime import predictor

    model = predictor.Predictor.__new__(predictor.Predictor)
    model._warned = set()
    with caplog.at_level(logging.WARNING):
        for name in ("a.png", "b.png"):
            model._warn_of_darkness(name, 12)
    assert len(caplog.records) == 1
    assert "a.png: its values fill 12 of 16 bits" in caplog.text
