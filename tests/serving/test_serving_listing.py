import io
import json
import os

import clips
import numpy as np
import pytest
from PIL import Image

from official_yolact.serving import listing


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a.jpg, b.png and c.mp4, which is the working directory."""
    for name, size in (("a.jpg", (20, 30)), ("b.png", (40, 10))):
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save(tmp_path / name)
    clips.write(tmp_path / "c.mp4", (0, 40))
    (tmp_path / "notes.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def find(*words, standard_input=b"", **options):
    found = listing.find_sources(words, standard_input=io.BytesIO(standard_input), **options)
    return [(one.name, one.is_video) for one in found]


def coco(path, names, **more):
    images = [{"id": 10 + at, "file_name": name, "height": 20, "width": 30} for at, name in enumerate(names)]
    path.write_text(json.dumps({"images": images, **more}))


def test_a_folder_has_photos_and_videos_by_name_and_each_file_comes_once(folder):
    expected = [("./a.jpg", False), ("./b.png", False), ("./c.mp4", True)]
    assert find(".") == expected
    assert find(".", "a.jpg", "*.mp4", str(folder / "b.png")) == expected
    assert find("*.png", ".") == [("b.png", False), ("./a.jpg", False), ("./c.mp4", True)]


def test_a_video_is_known_by_its_content_or_its_suffix(folder):
    os.rename("c.mp4", "plain")
    (folder / "bad.mov").write_bytes(b"<html>")
    assert find("plain", "bad.mov") == [("plain", True), ("bad.mov", True)]


@pytest.mark.parametrize(
    "names", [["a.jpg", "c.mp4"], ["sub/../a.jpg", "c.mp4"]], ids=["plain", "through a folder"]
)
def test_a_list_of_paths_is_relative_to_its_folder_or_to_a_given_one(folder, names):
    (folder / "sub").mkdir()
    (folder / "list.json").write_text(json.dumps(names))
    assert find("list.json") == [(os.path.join(".", names[0]), False), ("./c.mp4", True)]
    os.rename("list.json", "sub/list.json")
    assert find("sub/list.json", images_dir=".")[1] == ("./c.mp4", True)
    with pytest.raises(ValueError, match=r"sub/list\.json: name 1 is '.*a\.jpg': there is no such file"):
        find("sub/list.json")


def test_a_coco_file_gives_ids_and_sizes_and_other_sources_come_behind(folder):
    coco(folder / "coco.json", ["b.png", "a.jpg"])
    found = listing.find_sources(["coco.json", "c.mp4"])
    assert [(one.name, one.image_id, one.size) for one in found] == [
        ("./b.png", 10, (20, 30)),
        ("./a.jpg", 11, (20, 30)),
        ("c.mp4", None, None),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "bad.json"),
        ("[]", "is no list of pictures"),
        ("[1]", "is no list of pictures"),
        ('{"images": []}', "is no list of pictures"),
        ('{"images": [{"id": 1}]}', "file_name"),
        ('{"images": [{"id": 1, "file_name": "none.jpg"}]}', "none.jpg: no such file"),
        ('["none.jpg"]', "name 1 is 'none.jpg': there is no such file"),
        ('["a.jpg", ""]', "name 2 is ''"),
    ],
)
def test_a_list_that_cannot_be_used_is_named(folder, content, says):
    (folder / "bad.json").write_text(content)
    with pytest.raises((ValueError, OSError)) as caught:
        find("bad.json")
    assert says in str(caught.value)


def test_ids_of_two_lists_that_meet_are_refused(folder):
    coco(folder / "one.json", ["a.jpg"])
    coco(folder / "two.json", ["b.png"])
    with pytest.raises(ValueError, match=r"b\.png: has image id 10, as \./a\.jpg has"):
        find("one.json", "two.json")


def test_standard_input_is_paths_or_the_bytes_of_a_picture(folder):
    assert find("-", standard_input=b"a.jpg\nc.mp4\n\n") == [("a.jpg", False), ("c.mp4", True)]
    assert find("-", standard_input="\ufeffb.png\r\n".encode()) == [("b.png", False)]
    data = (folder / "a.jpg").read_bytes()
    (one,) = listing.find_sources(["-"], standard_input=io.BytesIO(data))
    assert (one.name, one.stem, one.data) == ("-", "stdin", data)
    assert listing.list_files([one]) == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b"\n \n", "is empty", id="blank lines"),
        pytest.param(b"none.jpg\n", "name 1 is 'none.jpg': there is no such file", id="no such file"),
        pytest.param(b"\xff\x00\x01", "UTF", id="neither"),
        pytest.param(b"\0\0\0\x18ftypmp42\0\0\0\0", "is a video", id="video"),
    ],
)
def test_standard_input_that_cannot_be_used_is_named(folder, data, says):
    with pytest.raises(ValueError, match=says):
        find("-", standard_input=data)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("rtsp://user:secret@10.0.0.7:554/live/cam-1.sdp?token=x", "cam-1"),
        ("http://camera.local/", "camera.local"),
        ("https://example.org/a/b/clip.final.mp4", "clip.final"),
        ("camera:0", "camera-0"),
        ("http://10.0.0.7:8080", "10.0.0.7-8080"),
    ],
)
def test_streams_have_names_of_files_without_secrets(name, stem):
    (one,) = listing.find_sources([name])
    assert (one.is_video, one.stem, one.address) == (True, stem, name)
    assert "secret" not in one.name


@pytest.mark.parametrize("name", ["ftp://x/a.mp4", "file:///a.mp4", "concat://a", "data://x", "FILE:///a"])
def test_other_schemes_are_refused_with_the_allowed_ones(name):
    with pytest.raises(ValueError, match=r"is not read: name a file, camera:0, or a stream of rtsp://"):
        find(name)
