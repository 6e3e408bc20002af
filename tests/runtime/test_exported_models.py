"""Exported files as Predictors: each library finds the same, and what is no export is named with its cure."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import shutil

import numpy as np
import pytest
import tiny_exports
from PIL import Image

import official_yolact_runtime
from official_yolact_runtime import export_info
from official_yolact_runtime import graphs

LIBRARIES = [("model.tflite", "litert"), ("model.onnx", "onnx"), ("model.onnx", "openvino")]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("exported")
    tiny_exports.write_litert(folder / "model.tflite", tiny_exports.INFO.as_dict())
    tiny_exports.write_onnx(folder / "model.onnx", tiny_exports.INFO.as_dict())
    tiny_exports.write_info(folder, {"model.tflite": "litert", "model.onnx": "onnx"})
    return folder


@pytest.fixture
def copied(exported: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy to damage."""
    return shutil.copytree(exported, tmp_path / "export")


def photo(level: int = 100) -> np.ndarray:
    """Twice as high and half as wide as the input of the network."""
    return np.full((128, 48, 3), level, np.uint8)


@pytest.mark.parametrize(("name", "library"), LIBRARIES)
def test_every_library_finds_what_the_graph_says_in_the_pixels_of_the_photo(exported, name, library):
    model = official_yolact_runtime.load(exported / name, library)
    assert model.runtime.name == library
    assert (model.weights.step, model.categories.names) == (7, ("fig", "date"))
    found = model(photo(), score_threshold=0.0)
    np.testing.assert_allclose(found.boxes, [[16, 6, 72, 22], [64, 12, 120, 40]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.6, 0.35], rtol=1e-6)
    assert (found.names, found.category_ids.tolist()) == (["date", "fig"], [5, 3])
    assert found.masks.shape == (2, 128, 48)
    # A cell of the grid is 8 x 2 pixels of the photo; borders of a soft mask lie in the middle of a cell.
    assert (found.masks[0, 24:32, 8:22].all(), found.masks[0, 34:46, 12:14].any()) == (True, False)
    assert len(model(photo(), score_threshold=0.5)) == 1


@pytest.mark.parametrize(("name", "library"), LIBRARIES)
def test_threads_that_share_a_model_get_what_they_would_get_alone(exported, name, library):
    model = official_yolact_runtime.load(exported / name, library, threads=1)
    levels = list(range(0, 250, 10))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda level: float(model(photo(level), 0.0).scores[0]), levels))
    np.testing.assert_allclose(found, [0.5 + level / 1000 for level in levels], rtol=1e-6)


def test_a_folder_and_a_list_of_pictures_are_as_good(exported, tmp_path):
    Image.fromarray(photo(20)).save(tmp_path / "a.png")
    model = official_yolact_runtime.load(exported)
    assert model.runtime.name == "litert"
    scores = [found.scores[0] for found in model([str(tmp_path / "a.png"), photo(40)])]
    np.testing.assert_allclose(scores, [0.52, 0.54], rtol=1e-6)
    assert official_yolact_runtime.load(exported, "openvino").runtime.name == "openvino"


def test_a_library_that_is_not_installed_is_named_with_the_command_that_installs_it(exported, monkeypatch):
    monkeypatch.setattr(graphs, "is_installed", lambda name: name == "openvino")
    with pytest.raises(ValueError, match=r"model.tflite: needs ai_edge_litert, .*pip install .*\[litert\]"):
        official_yolact_runtime.load(exported / "model.tflite")
    assert official_yolact_runtime.load(exported).runtime.name == "openvino"
    with pytest.raises(ValueError, match=r"no file that an installed library reads.*\[onnx\]"):
        official_yolact_runtime.load(exported, "onnx")


def test_a_runtime_that_does_not_exist_or_does_not_read_the_file_is_refused(exported):
    with pytest.raises(ValueError, match="runtime is 'tflite': expected one of auto, litert, onnx, openvino"):
        official_yolact_runtime.load(exported, "tflite")
    with pytest.raises(ValueError, match=r"model.onnx: is not read by litert, but by onnx and openvino"):
        official_yolact_runtime.load(exported / "model.onnx", "litert")


def test_an_export_has_no_raw_outputs(exported):
    model = official_yolact_runtime.load(exported)
    with pytest.raises(ValueError, match="no raw outputs: load the model directory"):
        model.raw_outputs(np.zeros((1, *tiny_exports.SIZE, 3), np.float32))


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
@pytest.mark.parametrize("kept", [0, 10, 0.5, -1], ids=["nothing", "ten_bytes", "half", "all_but_one"])
def test_a_file_that_was_cut_off_is_named(copied, name, kept):
    path = copied / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=f"{name}: .*export the model again"):
        official_yolact_runtime.load(path)


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
def test_a_file_that_was_changed_is_not_the_one_of_the_export(copied, name):
    path = copied / name
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: (is not the file that was exported|.*again)"):
        official_yolact_runtime.load(path)


def test_foreign_files_are_named_with_the_cure(tmp_path):
    for path in (
        tiny_exports.write_litert(tmp_path / "a.tflite", None),
        tiny_exports.write_onnx(tmp_path / "a.onnx", None),
    ):
        with pytest.raises(ValueError, match=f"{path.name}: is not what `yolact export` writes.*again"):
            official_yolact_runtime.load(path)
    fewer = [name for name in export_info.OUTPUTS if name != "detection_masks"]
    path = tiny_exports.write_onnx(tmp_path / "b.onnx", tiny_exports.INFO.as_dict(), fewer)
    for library in ("onnx", "openvino"):
        with pytest.raises(ValueError, match=r"b.onnx: .*it lacks the outputs detection_masks"):
            official_yolact_runtime.load(path, library)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "newer version of this program.*install a newer one"),
        ({"format_version": None}, "it has no format_version"),
        ({"grid": [0, 5]}, r"grid is \[0, 5\].*export the model again"),
        ({"categories": None}, "export the model again"),
    ],
    ids=["newer", "no_version", "grid", "categories"],
)
def test_a_newer_or_malformed_file_is_named(tmp_path, change, message):
    path = tiny_exports.write_onnx(tmp_path / "a.onnx", {**tiny_exports.INFO.as_dict(), **change})
    with pytest.raises(ValueError, match=f"a.onnx: .*{message}"):
        official_yolact_runtime.load(path)


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
def test_damage_of_any_kind_is_one_message(copied, name):
    path = copied / name
    (copied / "export.json").unlink()
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content[: rng.integers(len(content)) if rng.random() < 0.3 else None])
        # The end: of LiteRT the archive, of ONNX the properties.
        for at in rng.integers(max(0, len(damaged) - 600), max(1, len(damaged)), 3):
            damaged[at : at + 1] = bytes([rng.integers(256)])
        path.write_bytes(damaged)
        try:
            read = graphs_info(path)
        except ValueError as error:
            assert str(error).startswith(str(path))  # noqa: PT017  what is not refused may be right
        else:
            assert read.input_size


def graphs_info(path: pathlib.Path) -> export_info.ModelInfo:
    from official_yolact_runtime import embedded

    return (embedded.read_litert if path.suffix == ".tflite" else embedded.read_onnx)(str(path))


def test_folders_that_are_no_exports_are_named_with_what_they_are(tmp_path):
    for file, message in (
        ("nothing.txt", "name the folder that yolact export wrote"),
        ("params.yaml", "it is a model directory: export it"),
        ("saved_model.pb", "it is a SavedModel, which needs TensorFlow"),
    ):
        folder = tmp_path / file.partition(".")[0]
        folder.mkdir()
        (folder / file).write_text("")
        with pytest.raises(ValueError, match=f"is no export.*{message}"):
            official_yolact_runtime.load(folder)
    with pytest.raises(FileNotFoundError, match=r"no such export: did you mean .*nothing"):
        official_yolact_runtime.load(tmp_path / "nothin")
    with pytest.raises(ValueError, match="is no file of an export: name one that ends with .tflite or .onnx"):
        official_yolact_runtime.load(tmp_path / "nothing" / "nothing.txt")


def test_a_list_of_files_that_is_damaged_is_named(copied):
    path = copied / "export.json"
    content = json.loads(path.read_text())
    for damage in ({"files": None}, {"files": {"../a.onnx": {}}}, {"format_version": 7}):
        path.write_text(json.dumps({**content, **damage}))
        with pytest.raises(ValueError, match=r"export.json: "):
            official_yolact_runtime.load(copied)
