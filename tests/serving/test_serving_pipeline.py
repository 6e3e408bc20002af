import json
import os
import pathlib

import pytest
from PIL import Image

from official_yolact.serving import listing
from official_yolact.serving import pipeline
from official_yolact.serving import searching
from official_yolact.serving.sinks import choosing
from official_yolact.serving.sinks import sink


@pytest.fixture
def photos(tmp_path, bright, dark):
    paths = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png", tmp_path / "x" / "b.jpg"]
    for path, image in zip(paths, [bright, dark, bright], strict=True):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return [str(path) for path in paths]


def predict(predictor, paths, output, **options):
    found = listing.find_sources(paths)
    place = sink.Place(output, listing.list_files(found), force=False)
    sinks = choosing.make_sinks(["pictures", "predictions"], place, found, predictor.categories)
    account = pipeline.Account()
    pipeline.predict(predictor, found, sinks, account, **options)
    return account


def test_pictures_and_predictions_are_written(fake, photos, tmp_path):
    output = tmp_path / "out" / "deep"
    steps = []
    done = predict(fake, photos, str(output), progress=lambda *state: steps.append(state))
    assert (done.num_pictures, done.num_detections, done.skipped) == (3, 3, [])
    assert sorted(os.listdir(output)) == ["a-2.jpg", "a.jpg", "b.jpg", "predictions.json"]
    assert Image.open(output / "a-2.jpg").size == (40, 100)
    entries = json.loads((output / "predictions.json").read_text())
    assert [(e["image_id"], e["category_id"], e["category_name"], e["file_name"]) for e in entries] == [
        (1, 5, "date", photos[0]),
        (2, 3, "fig", photos[1]),
        (3, 5, "date", photos[2]),
    ]
    assert set(entries[0]) == {
        "image_id", "category_id", "bbox", "score", "segmentation", "file_name", "category_name",
    }  # fmt: skip
    assert isinstance(entries[0]["segmentation"]["counts"], str)
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_a_picture_that_cannot_be_read_is_skipped_and_keeps_its_number(fake, photos, tmp_path):
    with open(photos[1], "wb") as file:
        file.write(b"garbage")
    done = predict(fake, photos, str(tmp_path / "out"))
    assert done.num_pictures == 2
    assert len(done.skipped) == 1
    assert photos[1] in done.skipped[0]
    entries = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [e["image_id"] for e in entries] == [1, 3]


def test_nothing_readable_is_an_error(fake, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"garbage")
    with pytest.raises(ValueError, match=r"no picture could be read: .*a\.jpg"):
        predict(fake, [str(path)], str(tmp_path / "out"))


def test_a_photo_is_never_overwritten(fake, photos, tmp_path):
    before = pathlib.Path(photos[2]).read_bytes()
    with pytest.raises(ValueError, match="would overwrite the picture itself"):
        predict(fake, photos, str(tmp_path / "x"))
    assert pathlib.Path(photos[2]).read_bytes() == before


def test_pictures_without_instances_are_written_too(fake, photos, tmp_path):
    done = predict(fake, photos, str(tmp_path / "out"), search=searching.Search(score_threshold=1.0))
    assert (done.num_pictures, done.num_detections) == (3, 0)
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == []


class _Failing(sink.Sink):
    """Fails at the second picture."""

    def __init__(self):
        self.calls = []

    def write(self, shot, found):
        self.calls.append(shot.image_id)
        if len(self.calls) == 2:
            raise OSError(28, "No space left on device", "disk")

    def finish(self):
        self.calls.append("finished")

    def abandon(self):
        self.calls.append("abandoned")


def test_a_sink_that_fails_is_abandoned_and_the_others_are_finished(fake, photos, tmp_path):
    found = listing.find_sources(photos)
    place = sink.Place(str(tmp_path / "out"), photos, force=False)
    failing = _Failing()
    sinks = [*choosing.make_sinks(["lines"], place, found, fake.categories), failing]
    account = pipeline.Account()
    with pytest.raises(OSError, match="No space left"):
        pipeline.predict(fake, found, sinks, account)
    assert failing.calls == [1, 2, "abandoned"]
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 2
    assert account.num_pictures == 1
