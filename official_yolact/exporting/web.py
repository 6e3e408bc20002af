"""A page that finds objects in photos inside the browser: a folder that any server of static files serves."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from official_yolact.page import files as page_files
from official_yolact_runtime import export_info

FOLDER = "web"
"""Name in an export's folder."""

_PAGE = os.path.join(os.path.dirname(__file__), "page")
_LIBRARY = "litert"
_LICENSE = "LICENSE"
_INFO = "model.json"


def write(
    folder: str, model: bytes, info: export_info.ModelInfo, precision: str, library: Mapping[str, bytes]
) -> None:
    """Write the page, its model and the library that computes it.

    Args:
      folder: to write to; made.
      model: the LiteRT file.
      info: of the model.
      precision: of the file, one of `export_info.PRECISIONS`.
      library: what `litert_js.read` gives.
    """
    files = page_files.read(_PAGE)
    files.update({f"{_LIBRARY}/{name}": content for name, content in library.items()})
    # The library has no licence with it.
    files[f"{_LIBRARY}/{_LICENSE}"] = files.pop(_LICENSE)
    files[export_info.PAGE_MODEL] = model
    described = {
        **info.as_dict(),
        "model": {"file": export_info.PAGE_MODEL, "precision": precision, "size": len(model)},
    }
    files[_INFO] = json.dumps(described, indent=1).encode()
    for name, content in files.items():
        path = os.path.join(folder, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
