"""Findings as one HTML file with pictures of examples inside."""

from __future__ import annotations

import base64
import html
import io
import os
from typing import Any

import numpy as np
import PIL.ImageDraw

from official_yolact.coco import spellings
from official_yolact.data.checking import check
from official_yolact.data.checking import codes
from official_yolact.data.checking import file_facts
from official_yolact.data.checking import findings
from official_yolact.data.checking import geometry
from official_yolact.data.checking import report
from official_yolact.data.checking import view as view_lib
from official_yolact.images import image_files
from official_yolact.images import thumbnails
from official_yolact_runtime.files import outputs

PICTURES_EACH = 3
_SIDE = 320
_MAX_DRAWN = 200

_COLOR = {codes.ERROR: "#c22", codes.WARNING: "#b60", codes.INFO: "#357"}
_STYLE = """body{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}
section{border-top:1px solid #ccc;padding:.6em 0}h2{font-size:1.05em;margin:.3em 0}
figure{display:inline-block;margin:.3em .6em .3em 0}figcaption{font-size:.8em;color:#555}
code{background:#f2f2f2}dl{margin:.3em 0}dt{float:left;clear:left;width:8em;color:#555}dd{margin-left:8em}"""


def write(
    path: str,
    checked: check.Checked,
    rows: list[dict[str, Any]],
    images_dir: str | None,
    *,
    inputs: outputs.Inputs = (),
    force: bool = False,
) -> None:
    """Write the page.

    Args:
      path: HTML file.
      checked: what was found.
      rows: of `report.to_rows`.
      images_dir: folder of the images, None: a page without pictures.
      inputs: as of `files.check`.
      force: as of `files.check`.
    """
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_text(checked.view.path)}</title>"
        f"<style>{_STYLE}</style><h1>{_text(checked.view.path)}</h1>",
        f"<p>{len(checked.view.images)} images, {len(checked.view.annotations)} annotations,"
        f" {len(checked.view.categories)} categories; {len(rows)} findings.</p>",
    ]
    painter = None if images_dir is None else _Painter(checked.view, images_dir)
    for row, finding in zip(rows, checked.found, strict=True):
        parts.append(_format_row(row))
        if painter is not None:
            parts += painter.draw_examples(finding)
        parts.append("</section>")
    page = "\n".join([*parts, "</html>"]).encode(errors="xmlcharrefreplace")
    outputs.write(path, page, inputs=inputs, force=force)


def _format_row(row: dict[str, Any]) -> str:
    lines = [
        f"<section><h2><span style='color:{_COLOR[row['severity']]}'>{row['code']} {row['severity']}</span>"
        f" {row['count']} × {_text(row['title'])}</h2><dl>"
    ]
    lines += [f"<dt>{name}<dd>{_text(row[name])}" for name in ("detail", "consequence", "cure") if row[name]]
    shown = [report.format_example(example, row["field"]) for example in row["first"]]
    lines += ["<dt>first"] + [f"<dd><code>{_text(line)}</code>" for line in shown if line]
    return "\n".join([*lines, "</dl>"])


class _Painter:
    """Draws annotations on small copies of their images."""

    def __init__(self, view: view_lib.View, images_dir: str) -> None:
        self._view, self._images_dir = view, images_dir
        self._corners, self._drawable = geometry.corners(view), geometry.drawable(view)

    def draw_examples(self, finding: findings.Finding) -> list[str]:
        """Draw the first images of a finding, those annotations in red."""
        view = self._view
        if finding.section == "categories" or not finding.field or view.facts is None:
            return []
        of_images = finding.section == "images"
        positions = finding.positions[:_MAX_DRAWN].tolist()
        owners = dict.fromkeys(at if of_images else int(view.image_of[at]) for at in positions)
        marked = set() if of_images else set(finding.positions.tolist())
        figures: list[str] = []
        for image in owners:
            if image < 0 or view.facts[image].state != file_facts.FOUND:
                continue
            data = self._draw(image, view.facts[image], marked)
            if data:
                source = base64.b64encode(data).decode()
                figures.append(
                    f"<figure><img alt='' src='data:image/jpeg;base64,{source}'>"
                    f"<figcaption>{_text(view.file_names[image])}</figcaption></figure>"
                )
            if len(figures) == PICTURES_EACH:
                break
        return figures

    def _draw(self, image: int, facts: file_facts.FileFacts, marked: set[int]) -> bytes | None:
        if facts.stored[0] * facts.stored[1] > image_files.MAX_PIXELS:
            return None
        try:
            stated = tuple(self._view.drawn_sides[image])
            picture = thumbnails.read(os.path.join(self._images_dir, facts.name), _SIDE, stated)
        except Exception:  # a picture is an extra: the finding itself is told in words
            return None
        height, width = self._view.drawn_sides[image]
        size = picture.size
        scale = np.array([size[0] / width, size[1] / height])
        draw = PIL.ImageDraw.Draw(picture)
        own = np.flatnonzero(self._view.image_of == image)[:_MAX_DRAWN].tolist()
        for at in sorted(own, key=lambda annotation: annotation in marked):
            self._draw_annotation(draw, at, scale, "#f22" if at in marked else "#2d2")
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        return buffer.getvalue()

    def _draw_annotation(self, draw: Any, at: int, scale: Any, color: str) -> None:
        """Draw polygons and box, as far as they are numbers near the image."""
        corners = self._corners[at].reshape(2, 2) * scale
        if _is_near(corners) and (corners[0] <= corners[1]).all():
            draw.rectangle([tuple(corner) for corner in corners], outline=color)
        parts = spellings.as_coco(self._view.annotations[at].get("segmentation"))
        if not self._drawable[at] or not isinstance(parts, list):
            return
        for part in parts:
            points = np.asarray(part, np.float64).reshape(-1, 2) * scale
            if len(points) > 1 and _is_near(points):
                draw.line([tuple(point) for point in [*points, points[0]]], fill=color, width=2)


def _is_near(points: Any) -> bool:
    return bool(np.isfinite(points).all() and (np.abs(points) < 20 * _SIDE).all())


def _text(value: Any) -> str:
    return html.escape(str(value))
