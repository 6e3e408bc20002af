"""`compare.html`: a comparison as one file that opens without a network."""

from __future__ import annotations

import os
from typing import Any

from official_yolact.reporting import comparison as comparison_lib
from official_yolact.reporting import html_file
from official_yolact.reporting import html_pictures
from official_yolact.reporting import report_schema as schema
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime.files import outputs

FILE_NAME = "compare.html"

_SCRIPTS = ("elements", "charts", "tables", "pictures", "sections", "galleries", "comparison")


def write_page(
    compared: comparison_lib.Compared,
    categories: categories_lib.Categories,
    directory: str,
    images: str | None = None,
    *,
    inputs: outputs.Inputs = (),
    force: bool = False,
) -> str:
    """Write the page of a comparison.

    Args:
      compared: what it shows.
      categories: of the annotations.
      directory: folder to write `compare.html` to; made.
      images: folder of the photos. Without it, or without a photo, objects are drawn alone.
      inputs: as of `outputs.check`.
      force: as of `outputs.check`.

    Returns:
      The path of the page.

    Raises:
      OSError: it cannot be written.
      ValueError: the place is taken; names it and the cure.
    """
    path = os.path.join(directory, FILE_NAME)
    outputs.check(path, inputs=inputs, force=force)
    first, *others = compared.comparison["names"]
    content = {
        "title": f"{', '.join(others)} against {first}",
        "comparison": compared.comparison,
        "classes": [
            {"id": number, "name": name}
            for number, name in zip(categories.ids, categories.names, strict=True)
        ],
    }
    shown = _list_shown(compared)
    pictures = html_pictures.Pictures(images)
    page = html_file.fit(
        str(content["title"]), lambda detail: {**content, **_draw(shown, pictures, detail)}, _SCRIPTS
    )
    outputs.write(path, page, inputs=inputs, force=force)
    return path


def _list_shown(compared: comparison_lib.Compared) -> list[dict[int, list[schema.ShownImage]]]:
    """List, for each pair, the images that changed, as the first and as the second show them."""
    first, *others = compared.shown
    return [
        {
            image["id"]: [each.describe_image(image["id"]) for each in (first, second)]
            for image in (*pair["better"], *pair["worse"])
        }
        for pair, second in zip(compared.comparison["pairs"], others, strict=True)
    ]


def _draw(
    shown: list[dict[int, list[schema.ShownImage]]],
    pictures: html_pictures.Pictures,
    detail: html_pictures.Detail,
) -> dict[str, Any]:
    """Encode the photos, and draw the objects of each evaluation."""
    drawn: dict[int, html_pictures.Picture] = {}
    pairs: list[dict[int, list[Any]]] = []
    for pair in shown:
        pairs.append({})
        for image_id, sides in pair.items():
            both = [pictures.draw(image, detail) for image in sides]
            drawn[image_id] = both[0][0]
            pairs[-1][image_id] = [objects for _, objects in both]
    return {"pictures": drawn, "shown": pairs}
