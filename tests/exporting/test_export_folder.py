"""The folder of an export: what may be replaced, and what is left of one that ended early."""

import json
import os

import pytest

from official_yolact.exporting import output_folder
from official_yolact_runtime import categories
from official_yolact_runtime import export_info

NAMES = ["model.tflite"]


def fill(folder, content=b"weights"):
    """Write what an export leaves."""
    (folder / "model.tflite").write_bytes(content)
    model = export_info.ModelInfo(
        categories.Categories((1,), ("fig",)), (64, 64), (16, 16), {"max_detections": 5}, False, None, {}
    )
    size, digest = export_info.sum_path(str(folder / "model.tflite"))
    entry = export_info.FileInfo("litert", "float32", digest, size)
    info = export_info.ExportInfo(model, {"model.tflite": entry}, {})
    (folder / "export.json").write_text(json.dumps(info.as_dict()))


def publish(folder, content):
    with output_folder.stage(str(folder)) as staged:
        with open(os.path.join(staged, "model.tflite"), "wb") as file:
            file.write(content)
        output_folder.publish(staged, str(folder))


def test_an_export_replaces_an_earlier_one_that_nobody_changed(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    output_folder.check(str(folder), NAMES)
    fill(folder)
    output_folder.check(str(folder), NAMES)
    publish(folder, b"new")
    assert sorted(os.listdir(tmp_path)) == ["out"]
    assert (folder / "model.tflite").read_bytes() == b"new"


def change(folder):
    (folder / "model.tflite").write_bytes(b"weightz")


def remove_record(folder):
    (folder / "export.json").unlink()


@pytest.mark.parametrize("harm", [change, remove_record])
def test_files_of_others_are_replaced_by_force_alone(tmp_path, harm):
    fill(tmp_path)
    harm(tmp_path)
    with pytest.raises(ValueError, match="not as an export wrote them.*--force"):
        output_folder.check(str(tmp_path), NAMES)
    output_folder.check(str(tmp_path), NAMES, force=True)


def test_what_the_export_does_not_write_is_never_lost(tmp_path):
    fill(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(ValueError, match=r"holds notes\.txt, which this export does not write"):
            output_folder.check(str(tmp_path), NAMES, force=force)
        with pytest.raises(ValueError, match=r"holds model\.tflite and 1 more"):
            output_folder.check(str(tmp_path), ["model.onnx"], force=force)


def test_a_file_or_a_link_is_no_folder_to_write(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for name, message in (("file", "is a file"), ("link", "is a link to")):
        with pytest.raises(ValueError, match=message):
            output_folder.check(str(tmp_path / name), NAMES)


def interrupt(folder):
    with output_folder.stage(str(folder)) as staged:
        open(os.path.join(staged, "half"), "wb").close()
        raise KeyboardInterrupt


def test_nothing_is_left_of_an_export_that_fails_and_the_old_one_stays(tmp_path):
    folder = tmp_path / "deep" / "out"
    with pytest.raises(KeyboardInterrupt):
        interrupt(folder)
    assert os.listdir(tmp_path / "deep") == []
    publish(folder, b"old")
    with pytest.raises(OSError, match="disk"), output_folder.stage(str(folder)):
        raise OSError("disk full")
    assert (folder / "model.tflite").read_bytes() == b"old"


def test_what_a_killed_export_left_is_removed_and_that_of_a_living_one_is_not(tmp_path):
    process = os.fork()
    if not process:
        stage = output_folder.stage(str(tmp_path / "out"))
        stage.__enter__()
        os._exit(0)
    os.waitpid(process, 0)
    (left,) = os.listdir(tmp_path)
    with output_folder.stage(str(tmp_path / "out")), output_folder.stage(str(tmp_path / "other")):
        found = os.listdir(tmp_path)
    assert left not in found
    assert len(found) == 2
