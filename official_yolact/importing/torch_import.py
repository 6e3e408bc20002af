"""Import of the original's PyTorch checkpoints, and of ImageNet backbones in PyTorch's format."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.configs import architecture
from official_yolact.configs import loading
from official_yolact.configs import yolact as configs
from official_yolact.importing import import_account
from official_yolact.importing import model_folder
from official_yolact.importing import recognition
from official_yolact.importing import torch_file
from official_yolact.importing import torch_keys
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import model_files
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import outputs

_JUNK = (
    (re.compile(r".*\.num_batches_tracked"), "a counter that nothing reads"),
    (re.compile(r"backbone\.layer(?!s\.).*"), "an old second copy of the backbone"),
    (
        re.compile(r"fpn\.downsample_layers\.(?:[2-9]|\d\d+)\..*"),
        "a layer that old files hold and no model uses",
    ),
    (re.compile(r"backbone\.fc\..*"), "the classifier of ImageNet"),
)
_TORCHVISION_STAGE = re.compile(r"layer([1-4])\.")
_DETECTOR_PARTS = (
    "backbone.",
    "fpn.",
    "proto_net.",
    "prediction_layers.",
    "semantic_seg_conv.",
    "maskiou_net.",
)


def import_torch(
    path: str,
    output: str,
    build_model: Callable[[configs.YolactModel], Any],
    name: str | None = None,
    categories: categories_lib.Categories | None = None,
    skip: Sequence[str] = (),
    *,
    modules: str | None = None,
    inputs: Sequence[str | None] = (),
    force: bool = False,
) -> import_account.ImportAccount:
    """Write a model directory, or a backbone to start from, with the weights of a PyTorch file.

    Args:
      path: state dict of the original, or of a torchvision or original ImageNet backbone.
      output: directory; a detector gets `params.yaml`, `categories.json`, `ckpt-0` and `import.json`,
        a backbone the last two.
      build_model: makes a built `YolactModel` of its config.
      name: the model, by our name or the original's; None: it is recognised.
      categories: of a detector with classes of its own, in the order in which it was trained.
      skip: beginnings of keys that are to be left out.
      modules: that the file must hold, `all` or `backbone`; None: either.
      inputs: files that are never replaced.
      force: replace files that this program did not write.

    Returns:
      The account.

    Raises:
      OSError: the file cannot be read or the directory not written.
      ValueError: the directory holds something else; the file is no such file; a tensor has no place, the
        wrong shape or values that are not finite; a variable has no tensor. Nothing is written then.
    """
    model_folder.check_import(output, inputs, force)
    opened = torch_file.open_torch_file(path)
    tensors, skipped = _drop_junk(_name_as_original(opened.tensors), skip)
    recognized = recognition.recognize(path, tensors, name)
    found = "all" if recognized.traits.is_detector else "backbone"
    if modules not in (None, found):
        kinds = {"all": "a whole model", "backbone": "a backbone alone"}
        raise ValueError(f"{path}: holds {kinds[found]}, expected is {kinds[modules]}")
    modules = found
    params = loading.load_experiment(recognized.experiment)
    if modules == "all":
        categories = _choose_categories(path, recognized, categories)
        params.task.model.num_classes = recognized.traits.num_classes
    model = build_model(params.task.model)
    places = torch_keys.list_places(model, modules)
    _check_keys(path, tensors, places)
    for key, place in places.items():
        place.variable.assign(place.convert(_check_values(path, key, tensors[key])))
        opened.release()
    checkpoint = os.path.join(output, model_folder.FIRST)
    done = _make_account(path, opened, recognized, modules, list(places), skipped, checkpoint)
    with model_folder.open_import(output, done.to_json(), inputs, force):
        identity = architecture.select(params.as_dict()) if modules == "all" else {}
        model_folder.save_model(model, output, modules, identity)
        if categories is not None and modules == "all":
            categories.save(os.path.join(output, categories_lib.FILE_NAME), force=force)
            outputs.write(os.path.join(output, model_files.PARAMS_FILE), loading.to_yaml(params), force=force)
    return done


def _make_account(
    path: str,
    opened: torch_file.TorchFile,
    recognized: recognition.Recognized,
    modules: str,
    mapped: list[str],
    skipped: list[tuple[str, str]],
    checkpoint: str,
) -> import_account.ImportAccount:
    digest = _hash(path)
    published = recognition.PUBLISHED_SUMS.get(digest, "")
    return import_account.ImportAccount(
        file=path,
        form=opened.form,
        sha256=digest,
        published=published,
        experiment=recognized.experiment,
        modules=modules,
        num_classes=recognized.traits.num_classes,
        mapped=tuple(mapped),
        skipped=tuple(skipped),
        notes=tuple(_note(path, opened, recognized, published)),
        checkpoint=checkpoint,
    )


def _name_as_original(tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Give a backbone's keys the prefix and the stage names that they have in the original."""
    if any(key.startswith(_DETECTOR_PARTS) for key in tensors):
        return tensors
    rename = {
        key: _TORCHVISION_STAGE.sub(lambda match: f"layers.{int(match[1]) - 1}.", key) for key in tensors
    }
    return {f"backbone.{rename[key]}": tensor for key, tensor in tensors.items()}


def _drop_junk(
    tensors: dict[str, NDArray[Any]], skip: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], list[tuple[str, str]]]:
    kept, skipped = {}, []
    for key, tensor in tensors.items():
        reason = next((reason for pattern, reason in _JUNK if pattern.fullmatch(key)), "")
        if any(start.startswith(part) for start in (key, key.removeprefix("backbone.")) for part in skip):
            reason = "left out as asked"
        if reason:
            skipped.append((key, reason))
        else:
            kept[key] = tensor
    return kept, skipped


def _choose_categories(
    path: str, recognized: recognition.Recognized, given: categories_lib.Categories | None
) -> categories_lib.Categories:
    count = recognized.traits.num_classes
    if given is not None:
        if given.num_classes != count:
            raise ValueError(
                f"{path}: has {count - 1} classes without background, but {len(given.ids)} are named"
            )
        return given
    known = categories_lib.PASCAL if recognized.experiment.endswith("_pascal") else categories_lib.COCO
    if known.num_classes != count:
        raise ValueError(
            f"{path}: has {count - 1} classes of its own: name them with --classes FILE, a COCO JSON or a"
            " text file with one name a line, in the order in which it was trained"
        )
    return known


def _check_keys(path: str, tensors: dict[str, NDArray[Any]], places: dict[str, torch_keys.Place]) -> None:
    """Refuse tensors without a place, places without a tensor, and shapes that differ."""
    findings = [f"{key}: no place in the model" for key in tensors if key not in places]
    for key, place in places.items():
        if key not in tensors:
            findings.append(f"{key}: missing")
        elif tuple(tensors[key].shape) != place.shape:
            findings.append(f"{key}: {list(tensors[key].shape)}, expected {list(place.shape)}")
    if findings:
        shown = "; ".join(findings[:5]) + ("; ..." if len(findings) > 5 else "")
        raise ValueError(f"{path}: {len(findings)} tensors do not fit: {shown}")


def _check_values(path: str, key: str, tensor: NDArray[Any]) -> NDArray[Any]:
    if not np.issubdtype(tensor.dtype, np.floating):
        raise ValueError(f"{path}: {key} is {tensor.dtype}, expected floating point")
    if not np.isfinite(tensor).all():
        raise ValueError(f"{path}: {key} holds values that are not finite")
    if key.endswith(".running_var") and tensor.size and tensor.min() < 0:
        raise ValueError(f"{path}: {key} holds a negative variance")
    return tensor


def _note(
    path: str, opened: torch_file.TorchFile, recognized: recognition.Recognized, published: str
) -> list[str]:
    notes = [f"recognised by {recognized.how}: {recognized.traits}"]
    if opened.wrapper is not None:
        beside = f", left out beside it: {', '.join(opened.ignored)}" if opened.ignored else ""
        notes.append(f"the state dict was the entry {opened.wrapper!r}{beside}")
    name = os.path.basename(path)
    if not published and name in recognition.PUBLISHED_SUMS.values():
        notes.append(f"the published {name} has another sha256: this file was changed or damaged")
    return notes


def _hash(path: str) -> str:
    with inputs.open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
