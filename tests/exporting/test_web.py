"""The folder of the page: whole, with what the page has to know of its model."""

import json
import re
import subprocess
import sys
import urllib.request

import pytest

from official_yolact.exporting import web
from official_yolact_runtime import categories
from official_yolact_runtime import export_info

INFO = export_info.ModelInfo(
    categories=categories.Categories((3, 5), ("fig", "<b>date</b>")),
    input_size=(64, 48),
    grid=(16, 12),
    detection={"score_threshold": 0.05, "max_detections": 100},
    mask_rescoring=False,
    weights=None,
    versions={},
)
LIBRARY = {"index.js": b"library", "wasm/a.wasm": b"\0asm", "NOTICE.txt": b"notice"}


@pytest.fixture
def folder(tmp_path):
    web.write(str(tmp_path / "web"), b"model", INFO, "float32", LIBRARY)
    return tmp_path / "web"


def test_everything_that_the_page_names_lies_beside_it(folder):
    text = (folder / "index.html").read_text()
    named = {name for name in re.findall(r'(?:href|src)="([^"]+)"', text) if not name.startswith("data:")}
    assert {"page.css", "page.js", "litert/NOTICE.txt", "litert/LICENSE"} <= named
    for script in folder.glob("*.js"):
        named |= set(re.findall(r'(?:from |import\(|URL\()"(?:\./)?([\w./-]+\.js)"', script.read_text()))
    assert {"detector.js", "worker.js", "masks.js", "resize.js", "litert/index.js"} <= named
    assert [name for name in named if not (folder / name).is_file()] == []


def test_what_the_page_knows_of_the_model_is_what_an_export_says(folder):
    content = json.loads((folder / "model.json").read_text())
    assert export_info.ModelInfo.parse(content, "model.json") == INFO
    assert content["model"] == {"file": "model.tflite", "precision": "float32", "size": 5}
    assert (folder / "model.tflite").read_bytes() == b"model"
    assert (folder / "litert" / "wasm" / "a.wasm").read_bytes() == b"\0asm"


def test_no_file_of_ours_names_another_server(folder):
    ours = [path for path in folder.iterdir() if path.suffix in (".html", ".css", ".js")]
    assert len(ours) == 14
    named = {url for path in ours for url in re.findall(r"https?://[^\s\"'`]*", path.read_text())}
    assert named == {"https://"}, "a message names the scheme"


def test_the_server_of_the_folder_isolates_the_page_and_serves_nothing_above_it(folder):
    (folder.parent / "secret").write_text("secret")
    command = [sys.executable, str(folder / "serve.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            address = server.stdout.readline().strip()
            assert re.fullmatch(r"http://localhost:\d+/", address)
            with urllib.request.urlopen(f"{address}litert/wasm/a.wasm", timeout=30) as answer:
                assert answer.headers["Content-Type"] == "application/wasm"
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
                assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{address}../secret", timeout=30)
        finally:
            server.kill()
