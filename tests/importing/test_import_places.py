"""Where an import may write: never where a training has written, and always again where it was killed."""

import json
import pathlib

import pytest
import tensorflow as tf

from official_yolact.checkpoints import directory_lock
from official_yolact.importing import model_folder


def put_import(folder: pathlib.Path) -> None:
    """Write what an import writes, with a model of one number."""
    model = tf.Module()
    model.v = tf.Variable(1.0)
    with model_folder.open_import(str(folder), {"file": "a.pth"}):
        model_folder.save_model(model, str(folder))


def state(name: str) -> str:
    return f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'


TRAINED = {
    "a checkpoint": {"ckpt-8.index": "x", "ckpt-8.data-00000-of-00001": "x"},
    "a part of a checkpoint": {"ckpt-8.data-00000-of-00001": "x"},
    "a later number that begins alike": {"ckpt-05.index": "x"},
    "a state that names another": {"checkpoint": state("ckpt-8")},
    "a state that names one elsewhere": {"checkpoint": state("/elsewhere/run-3")},
    "a state that cannot be read": {"checkpoint": "\0"},
    "a best checkpoint": {"best_ckpt/best_ckpt-3.index": "x", "best_ckpt/best_ckpt-3.json": "{}"},
}


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("what", TRAINED)
@pytest.mark.parametrize("force", [False, True], ids=["", "forced"])
def test_an_import_into_a_directory_in_which_a_training_wrote_is_refused(what, force, tmp_path):
    put_import(tmp_path)
    model_folder.check_import(str(tmp_path))
    for name, text in TRAINED[what].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="holds a model that no import wrote"):
        model_folder.check_import(str(tmp_path), force=force)
    with (
        pytest.raises(ValueError, match="holds a model that no import wrote"),
        model_folder.open_import(str(tmp_path), {}, force=force),
    ):
        raise AssertionError("the import must not begin")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("force", [False, True], ids=["", "forced"])
def test_an_import_into_a_directory_that_a_training_holds_is_refused(force, tmp_path):
    put_import(tmp_path)
    with directory_lock.hold(str(tmp_path)):
        before = contents(tmp_path)
        with pytest.raises(OSError, match="process .* writes to this directory now"):
            model_folder.check_import(str(tmp_path), force=force)
        with (
            pytest.raises(OSError, match="writes to this directory now"),
            model_folder.open_import(str(tmp_path), {}, force=force),
        ):
            raise AssertionError("the import must not begin")
        assert contents(tmp_path) == before
    model_folder.check_import(str(tmp_path))


@pytest.mark.parametrize("part", ["nothing", "temporary", "values", "checkpoint", "state"])
def test_an_import_that_was_killed_anywhere_can_be_done_again(part, tmp_path):
    with model_folder.open_import(str(tmp_path), {"file": "a.pth"}):
        if part == "temporary":
            (tmp_path / "ckpt-0_temp").mkdir()
            (tmp_path / "ckpt-0_temp" / "part-00000-of-00001.data").write_text("x")
        if part in ("values", "checkpoint", "state"):
            (tmp_path / "ckpt-0.data-00000-of-00001").write_text("x")
        if part in ("checkpoint", "state"):
            (tmp_path / "ckpt-0.index").write_text("x")
        if part == "state":
            (tmp_path / "checkpoint").write_text(state("ckpt-0"))
    model_folder.check_import(str(tmp_path))
    put_import(tmp_path)
    names = {path.name for path in tmp_path.iterdir()} - {".yolact-written"}
    assert names == {"checkpoint", "ckpt-0.data-00000-of-00001", "ckpt-0.index", "ckpt-0.json", "import.json"}
    assert json.loads((tmp_path / "import.json").read_text()) == {"file": "a.pth"}
    reader = tf.train.load_checkpoint(str(tmp_path / "ckpt-0"))
    assert reader.get_tensor("model/v/.ATTRIBUTES/VARIABLE_VALUE") == 1


def test_a_model_without_an_account_of_an_import_is_refused_all_the_same(tmp_path):
    (tmp_path / "ckpt-0.index").write_text("x")
    with pytest.raises(ValueError, match="holds a model that no import wrote"):
        model_folder.check_import(str(tmp_path), force=True)
