"""Which checkpoints are found in a directory, and which of them are intact."""

import os

import pytest
import tensorflow as tf

from official_yolact.checkpoints import model_dir
from official_yolact.checkpoints import scan
from official_yolact.checkpoints import sidecar
from official_yolact.checkpoints import verify
from official_yolact.files import storage


def write(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        prefix = str(folder / name)
        tf.train.Checkpoint(weight=tf.Variable(tf.ones([100]))).write(prefix)
        sums = verify.record_files(prefix, (".index", ".data-00000-of-00001"))
        sidecar.write(prefix, sidecar.Sidecar(3, sums, {"classes": ["a"]}, {"AP": 0.25}))
    return folder


def found(folder, name=""):
    return [checkpoint.name for checkpoint in scan.find_checkpoints(str(folder), name)]


def test_checkpoints_are_found_newest_first_by_number(tmp_path):
    write(tmp_path, "ckpt-9", "ckpt-10", "ckpt-100", "best_ckpt-50")
    assert found(tmp_path, "ckpt") == ["ckpt-100", "ckpt-10", "ckpt-9"]
    assert found(tmp_path) == ["ckpt-100", "best_ckpt-50", "ckpt-10", "ckpt-9"]
    assert found(tmp_path / "nowhere") == []


@pytest.mark.parametrize("state", [b"", b"\xff\x00", b'model_checkpoint_path: "ckpt-1', None])
def test_a_state_file_in_any_state_hides_nothing(state, tmp_path):
    write(tmp_path, "ckpt-1", "ckpt-2")
    if state is not None:
        (tmp_path / "checkpoint").write_bytes(state)
    assert found(tmp_path, "ckpt") == ["ckpt-2", "ckpt-1"]
    assert model_dir.find_checkpoint(str(tmp_path)) == str(tmp_path / "ckpt-2")


def test_data_without_index_are_a_lost_checkpoint_only_if_it_was_one(tmp_path):
    write(tmp_path, "ckpt-1", "ckpt-2", "ckpt-3")
    for number in (1, 2, 3):
        (tmp_path / f"ckpt-{number}.index").unlink()
    (tmp_path / "ckpt-1.json").unlink()
    (tmp_path / "ckpt-2.json").unlink()
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "ckpt-2"\n')
    assert found(tmp_path) == ["ckpt-3", "ckpt-2"]
    assert scan.find_orphans(str(tmp_path)) == [str(tmp_path / "ckpt-1.data-00000-of-00001")]
    (tmp_path / "checkpoint").write_bytes(b"")
    assert scan.find_orphans(str(tmp_path)) == []


def test_several_data_files_belong_to_one_checkpoint(tmp_path):
    for part in range(3):
        (tmp_path / f"ckpt-7.data-0000{part}-of-00003").write_text("x")
    (tmp_path / "ckpt-7.index").write_text("x")
    (checkpoint,) = scan.find_checkpoints(str(tmp_path))
    assert len(checkpoint.data) == 3
    assert os.path.basename(checkpoint.paths()[0]) == "ckpt-7.index"
    assert "cannot be read" in verify.find_damage(checkpoint)


def test_what_is_loaded_is_the_best_then_the_last_that_is_intact(tmp_path, caplog):
    write(tmp_path, "ckpt-1", "ckpt-2")
    best = write(tmp_path / model_dir.BEST_SUBDIR, "best_ckpt-1")
    assert model_dir.find_checkpoint(str(tmp_path)) == str(best / "best_ckpt-1")
    os.truncate(best / "best_ckpt-1.index", 40)
    os.truncate(tmp_path / "ckpt-2.data-00000-of-00001", 40)
    assert model_dir.find_checkpoint(str(tmp_path)) == str(tmp_path / "ckpt-1")
    assert "ckpt-2.data-00000-of-00001 has 40 bytes, 4" in caplog.text
    os.truncate(tmp_path / "ckpt-1.index", 0)
    with pytest.raises(ValueError, match=r"no intact checkpoint \(.*best_ckpt-1: .*ckpt-2: .*ckpt-1: "):
        model_dir.find_checkpoint(str(tmp_path))


def test_a_checkpoint_without_number_is_found_through_the_state_file(tmp_path):
    write(tmp_path, "final")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "final"\n')
    assert model_dir.find_checkpoint(str(tmp_path)) == str(tmp_path / "final")


def test_a_record_comes_back_and_a_changed_one_does_not(tmp_path):
    prefix = str(write(tmp_path, "ckpt-5") / "ckpt-5")
    record = sidecar.read(prefix)
    assert (record.step, record.identity, record.metrics) == (3, {"classes": ["a"]}, {"AP": 0.25})
    assert record.files["ckpt-5.index"] == storage.measure(f"{prefix}.index")
    text = (tmp_path / "ckpt-5.json").read_text()
    for changed in (
        text.replace("0.25", "0.26"),
        text.replace('"step": 3', '"step": 4'),
        "[]",
        "{}",
        "5",
        "null",
    ):
        (tmp_path / "ckpt-5.json").write_text(changed)
        assert sidecar.read(prefix) is None
        assert verify.find_damage(scan.find_checkpoints(str(tmp_path))[0]) == ""


def test_a_text_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "info.json"
    storage.store(str(path), "old")
    storage.store(str(path), "new")
    assert (path.read_text(), os.listdir(tmp_path)) == ("new", ["info.json"])
    with pytest.raises(OSError, match="cannot be written.*nowhere"):
        storage.store(str(tmp_path / "nowhere" / "info.json"), "x")
