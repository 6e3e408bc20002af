"""Write the pictures of docs/evaluation.md from the page of a report, in headless Chromium.

python docs/write_evaluation.py out/report.html
"""

from __future__ import annotations

import io
import pathlib
import shutil
import sys

from PIL import Image
from playwright import sync_api

FOLDER = pathlib.Path(__file__).with_name("images")
PARTS = {
    "top": "header",
    "errors": "#errors .columns",
    "curves": "#curves .columns.three",
    "confusion": "#confusion .columns",
    "worst": "#worst .card >> nth=0",
}
"""Selectors of what is shown, by the name of the picture."""


def write_pictures(report: pathlib.Path) -> None:
    """Write a picture of each part of a page."""
    with sync_api.sync_playwright() as playwright:
        # As root, in a container, Chromium has no sandbox.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(report.resolve().as_uri())
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.locator(".bar").evaluate("bar => bar.remove()")  # it would cover what is shown
        for name, selector in PARTS.items():
            picture = Image.open(io.BytesIO(page.locator(selector).screenshot()))
            picture.save(FOLDER / f"report-{name}.webp", quality=80)
        browser.close()


if __name__ == "__main__":
    write_pictures(pathlib.Path(sys.argv[1]))
