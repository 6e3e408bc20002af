"""A page as one file: data, style and scripts, with a policy that allows these alone."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Callable, Sequence
from typing import Any

from official_yolact.reporting import html_pictures
from official_yolact_runtime.files import json_text

MAX_BYTES = 14_500_000
"""Of the page: photos are made smaller until it is no larger."""

_ASSETS = os.path.join(os.path.dirname(__file__), "page")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<p id="page">This page is drawn by its own script, which this browser does not run.</p>
<script type="application/json" id="report">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def fit(title: str, embed: Callable[[html_pictures.Detail], dict[str, Any]], scripts: Sequence[str]) -> bytes:
    """Make a page of at most `MAX_BYTES`, if its photos can be made so small.

    Args:
      title: of the page.
      embed: makes what the page holds, with so much detail.
      scripts: names of those that draw it, without their suffix; the last one begins.
    """
    page = b""
    for detail in html_pictures.DETAILS:
        page = _fill(title, embed(detail), scripts)
        if len(page) <= MAX_BYTES:
            break
    return page


def _fill(title: str, data: dict[str, Any], scripts: Sequence[str]) -> bytes:
    """Put data, style and script into the page, whose policy allows these alone and no address."""
    style = _read("report.css")
    script = "(() => {\n" + "\n".join(_read(f"{name}.js") for name in scripts) + "})();\n"
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    # In JSON `<` occurs inside strings alone; written as its escape it ends no element.
    text = json_text.dump(data, separators=(",", ":")).replace("<", "\\u003c")
    shown = html.escape(title)
    page = _PAGE.format(policy=policy, title=shown, style=style, data=text, script=script)
    return page.encode(errors="replace")


def _read(name: str) -> str:
    with open(os.path.join(_ASSETS, name), encoding="utf-8") as file:
        return file.read()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
