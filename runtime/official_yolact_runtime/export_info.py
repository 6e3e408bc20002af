"""What an export says of itself: `export.json` in its folder, and the part about the model inside each file.

This is the one place where the keys are written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from typing import Any

from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import loaded_weights
from official_yolact_runtime import model_files
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

FILE_NAME = model_files.EXPORT_FILE

FORMAT_VERSION = 2
"""The newest that this program reads. 2: masks may have to be cut outside, and
`keep_aspect` may be true. A file states the lowest version
that it needs, so that older programs read what they understand."""

SAVED_MODEL = "saved_model"
LITERT = "litert"
ONNX = "onnx"
WEB = "web"
FORMATS = (SAVED_MODEL, LITERT, ONNX, WEB)

PAGE_MODEL = "model.tflite"
"""Name of the LiteRT file in the folder of a page."""

FLOAT32 = "float32"
PRECISIONS = (FLOAT32, "float16", "dynamic", "int8")

INPUT = "images"
OUTPUTS = (
    "detection_boxes",
    "detection_scores",
    "detection_mask_scores",
    "detection_classes",
    "num_detections",
    "detection_masks",
)
"""Names of the outputs of every format; what they hold, `schema.Detections` of the library says."""
_CROP_PLACES = ("prototypes", "image")
_DEFAULTS = {"crop_at": _CROP_PLACES[0]}
"""Settings of the detection generator that exports before them lack, and what they did."""


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What a file says of its model.

    Attributes:
      categories: what its classes mean.
      input_size: (height, width) of its input, in pixels.
      grid: (height, width) of its masks, in cells.
      detection: the settings of the detection generator, by the names of the configuration.
      mask_rescoring: whether mask scores differ from scores (YOLACT++).
      weights: which weights they are, as `loaded_weights.LoadedWeights.as_dict` has it; None: unknown.
      versions: of the packages that wrote it, by name.
      keep_aspect: whether a photo lies on a canvas of the input's proportions, instead of being squashed.
    """

    categories: categories_lib.Categories
    input_size: tuple[int, int]
    grid: tuple[int, int]
    detection: Mapping[str, Any]
    mask_rescoring: bool
    weights: Mapping[str, Any] | None
    versions: Mapping[str, str]
    keep_aspect: bool = False

    @property
    def max_detections(self) -> int:
        """Number of detections that each output has room for."""
        return int(self.detection["max_detections"])

    def read_setting(self, name: str) -> Any:
        """Read a setting of the detection generator; None: there is none of this name."""
        return self.detection.get(name, _DEFAULTS.get(name))

    @property
    def crop_cells(self) -> float | None:
        """Cells by which boxes are widened that cut masks at the size of the photo; None: none do."""
        if not self.detection.get("crop_masks", True) or self.read_setting("crop_at") != _CROP_PLACES[1]:
            return None
        return float(self.detection["crop_padding"])

    @property
    def loaded_weights(self) -> loaded_weights.LoadedWeights | None:
        """Which weights they are; None: unknown, or stated by another version."""
        try:
            return loaded_weights.LoadedWeights(**dict(self.weights or {}))
        except TypeError:
            return None

    def as_dict(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return {
            "format_version": FORMAT_VERSION if self.keep_aspect or self.crop_cells is not None else 1,
            "categories": self.categories.to_coco(),
            "input_size": list(self.input_size),
            "keep_aspect": self.keep_aspect,
            "grid": list(self.grid),
            "detection": dict(self.detection),
            "mask_rescoring": self.mask_rescoring,
            "weights": None if self.weights is None else dict(self.weights),
            "versions": dict(self.versions),
        }

    @classmethod
    def parse(cls, content: Any, where: str) -> ModelInfo:
        """Take what `as_dict` wrote, with other keys beside it or not.

        Args:
          content: of the JSON.
          where: it comes from, for the message.

        Raises:
          ValueError: it is of another kind, newer than this program, or a key is missing or malformed.
        """
        _check_version(content, where)
        try:
            return cls(
                categories=categories_lib.Categories.from_list(content["categories"]),
                input_size=_read_size(content, "input_size"),
                grid=_read_size(content, "grid"),
                detection=_read_detection(content["detection"]),
                mask_rescoring=_read(content, "mask_rescoring", bool),
                weights=_read(content, "weights", dict | None),
                versions=_read(content, "versions", dict),
                keep_aspect=_read({"keep_aspect": False, **content}, "keep_aspect", bool),
            )
        except KeyError as error:
            raise ValueError(f"{where}: the key {error} is missing: export the model again") from None
        except ValueError as error:
            raise ValueError(f"{where}: {error}: export the model again") from None


@dataclasses.dataclass(frozen=True)
class FileInfo:
    """One file of an export, or one folder of it.

    Attributes:
      format: one of `FORMATS`.
      precision: one of `PRECISIONS`.
      sha256: of the file; of a folder, as `sum_path` has it.
      size: bytes.
    """

    format: str
    precision: str
    sha256: str
    size: int


@dataclasses.dataclass(frozen=True)
class ExportInfo:
    """What `export.json` of a folder says.

    Attributes:
      model: what each of its files says as well.
      files: what there is, by the name in the folder.
      parity: by the same names, how each compares with the model; empty: it was not compared.
    """

    model: ModelInfo
    files: Mapping[str, FileInfo]
    parity: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        files = {name: dataclasses.asdict(info) for name, info in self.files.items()}
        return {**self.model.as_dict(), "files": files, "parity": dict(self.parity)}

    @classmethod
    def load(cls, folder: str) -> ExportInfo:
        """Read `export.json` of a folder.

        Raises:
          OSError: there is none.
          ValueError: it is malformed, or newer than this program.
        """
        path = os.path.join(folder, FILE_NAME)
        with inputs.open_input(path) as file:
            content = json_text.parse(file.read(), path)
        model = ModelInfo.parse(content, path)
        try:
            files = {name: _read_file(name, entry) for name, entry in content["files"].items()}
            return cls(model, files, _read(content, "parity", dict))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: the key 'files' or 'parity' is not as `yolact export` writes it: {error}"
            ) from None


def sum_path(path: str) -> tuple[int, str]:
    """Measure a file or a folder.

    Args:
      path: of a file, or of a folder of files.

    Returns:
      Its size in bytes and its sha256. A folder's is that of the lines `sha256  name`, sorted by name, which
      `sha256sum` prints of its files.
    """
    if not os.path.isdir(path):
        with open(path, "rb") as file:
            return os.path.getsize(path), hashlib.file_digest(file, "sha256").hexdigest()
    names = sorted(
        os.path.relpath(os.path.join(folder, name), path)
        for folder, _, files in os.walk(path)
        for name in files
    )
    sums = {name: sum_path(os.path.join(path, name)) for name in names}
    lines = "".join(f"{digest}  {name}\n" for name, (_, digest) in sums.items())
    return sum(size for size, _ in sums.values()), hashlib.sha256(lines.encode()).hexdigest()


def _check_version(content: Any, where: str) -> None:
    version = content.get("format_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"{where}: is not what `yolact export` writes: it has no format_version")
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{where}: was written by a newer version of this program (its format_version is {version}, and"
            f" this program reads {FORMAT_VERSION}): install a newer one"
        )


def _read(content: Mapping[str, Any], key: str, kind: Any) -> Any:
    value = content[key]
    if not isinstance(value, kind):
        raise ValueError(f"{key} is {values.shorten(value)}")
    return value


def _read_size(content: Mapping[str, Any], key: str) -> tuple[int, int]:
    value = content[key]
    if not isinstance(value, list) or len(value) != 2 or not all(_is_count(side) for side in value):
        raise ValueError(f"{key} is {values.shorten(value)}, but is a list of height and width")
    return value[0], value[1]


def _read_detection(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not _is_count(value.get("max_detections")):
        raise ValueError(f"detection is {values.shorten(value)}, and has no number max_detections")
    place, padding = value.get("crop_at", _DEFAULTS["crop_at"]), value.get("crop_padding")
    if place not in _CROP_PLACES:
        raise ValueError(f"crop_at is {values.shorten(place)}, expected one of {', '.join(_CROP_PLACES)}")
    if place == _CROP_PLACES[1] and not (isinstance(padding, int | float) and padding >= 0):
        raise ValueError(f"crop_padding is {values.shorten(padding)}, expected a number that is 0 or more")
    return value


def _read_file(name: str, entry: Mapping[str, Any]) -> FileInfo:
    if os.path.basename(name) != name or name in (os.curdir, os.pardir, ""):
        raise ValueError(f"{values.shorten(name)} is no name of a file of the folder")
    kind, precision, digest = (_read(entry, key, str) for key in ("format", "precision", "sha256"))
    return FileInfo(kind, precision, digest, _read(entry, "size", int))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
