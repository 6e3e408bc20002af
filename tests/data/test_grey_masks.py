"""Masks with smoothed edges or noise of JPEG are refused with the cure; maps of objects are read as they are."""

import io

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from official_yolact.cli import main

SIDE = 96
CIRCLES = [(20, 20, 12, 90), (60, 30, 18, 200), (40, 70, 15, 255)]


def draw(large=1):
    """Draw three discs of a value each, `large` times as large."""
    picture = PIL.Image.new("L", (SIDE * large, SIDE * large))
    canvas = PIL.ImageDraw.Draw(picture)
    for x, y, radius, value in CIRCLES:
        box = [(x - radius) * large, (y - radius) * large, (x + radius) * large, (y + radius) * large]
        canvas.ellipse(box, fill=value)
    return picture


def as_jpeg(picture):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return PIL.Image.open(file).convert("L")


def in_16_bits(picture):
    return PIL.Image.fromarray(
        np.asarray(picture.resize((150, 150), PIL.Image.Resampling.BILINEAR)).astype(np.uint16) * 200
    )


GREY = {
    "anti-aliased": lambda: draw(4).resize((SIDE, SIDE), PIL.Image.Resampling.BOX),
    "resized": lambda: draw().resize((150, 150), PIL.Image.Resampling.BILINEAR),
    "copied from JPEG": lambda: as_jpeg(draw()),
    "two values, anti-aliased": lambda: draw(4).point(lambda v: 255 * (v > 0)).resize((SIDE, SIDE), PIL.Image.Resampling.LANCZOS),
    "two values, from JPEG": lambda: as_jpeg(draw().point(lambda v: 255 * (v > 0))),
    "16 bits, resized": lambda: in_16_bits(draw()),
}  # fmt: skip


def cells():
    """A map of many small objects that touch, numbered in any order."""
    generator = np.random.default_rng(0)
    values = generator.permutation(np.arange(1, 1025)).reshape(32, 32).astype(np.uint16)
    return PIL.Image.fromarray(np.kron(values, np.ones((3, 3), np.uint16)))


def with_palette(picture):
    picture = picture.copy()
    picture.putpalette([value for index in range(256) for value in (index, 255 - index, 99)])
    return picture


def ramps():
    """Thin stripes of rising numbers, as of slats."""
    return PIL.Image.fromarray(np.kron(np.arange(24, dtype=np.uint8), np.ones((SIDE, 4), np.uint8)))


OBJECTS = {
    "discs": (draw, 3),
    "discs, resized to the nearest": (lambda: draw(4).resize((SIDE, SIDE), PIL.Image.Resampling.NEAREST), 3),
    "palette": (lambda: with_palette(draw()), 3),
    "many small cells": (cells, 1024),
    "stripes": (ramps, 23),
    "one object": (lambda: draw().point(lambda v: 255 * (v > 0)), 1),
    "one pixel each": (
        lambda: PIL.Image.fromarray(
            np.kron(np.diag(np.arange(60, dtype=np.uint8)), [[1, 0], [0, 0]]).astype(np.uint8)
        ),
        59,
    ),
    "thin lines": (
        lambda: PIL.Image.fromarray(
            np.kron(np.arange(24, dtype=np.uint8), np.tile([1, 0, 0, 0], (SIDE, 1))).astype(np.uint8)
        ),
        23,
    ),
}


def lay_out(picture, name="a.png"):
    PIL.Image.new("RGB", picture.size, (9, 9, 9)).save("photos/a.jpg")
    picture.save(f"masks/{name}")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()

    def call():
        code = main.main(["data", "masks", "photos", "masks", "--output", "coco.json"])
        return code, capsys.readouterr().err

    return call


@pytest.mark.parametrize("name", GREY)
@pytest.mark.parametrize("file", ["a.png", "a_1.png"], ids=["label map", "one object"])
def test_grey_levels_are_refused_with_the_cure(run, name, file):
    lay_out(GREY[name](), file)
    code, told = run()
    assert code == 2
    assert f"masks/{file}: " in told
    assert "grey levels, as smoothed edges or a copy in JPEG have: save the mask without smoothing" in told


@pytest.mark.parametrize("name", OBJECTS)
def test_maps_of_objects_are_read_as_they_are(run, name):
    make, count = OBJECTS[name]
    lay_out(make())
    code, told = run()
    assert code == 0, told
    assert f"1 images, {count} instances" in told
