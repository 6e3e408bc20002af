"""A page that `yolact export` wrote, two servers of it, and headless Chromium."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import tiny_model
from playwright import sync_api

from official_yolact.cli import main


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def web(model_dir, tmp_path_factory):
    """The folder `web` of an export."""
    output = tmp_path_factory.mktemp("exported")
    assert main.main(["export", model_dir, "--output", str(output), "--format", "web"]) == 0
    return output / "web"


@pytest.fixture
def serve():
    """Serve a folder with a command that prints its address; gives the address."""
    running = []

    def start(folder, isolated=True):
        command = (
            [str(folder / "serve.py"), "0"]
            if isolated
            else ["-m", "http.server", "--directory", str(folder), "0"]
        )
        server = subprocess.Popen(
            [sys.executable, "-u", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            text=True,
        )
        running.append(server)
        line = server.stdout.readline()
        # "http://localhost:PORT/", or "Serving HTTP on 0.0.0.0 port PORT (http://0.0.0.0:PORT/) ..."
        port = line.rstrip(" ./)\n").rpartition(":")[2].partition("/")[0]
        return f"http://localhost:{port}/"

    yield start
    for server in running:
        server.kill()
        server.communicate()


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium")
    assert path, "the page is tested in Chromium, which is not installed: make browser"
    with sync_api.sync_playwright() as playwright:
        # As root, in a container, Chromium has no sandbox. The camera is one that Chromium draws itself.
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


class Visit:
    """A page that is open, with everything that it asked for and complained about."""

    def __init__(self, page, address):
        self.page, self.address = page, address
        self.requests, self.complaints = [], []
        page.set_default_timeout(120_000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.on("console", self._note)
        page.goto(address)

    def _note(self, message):
        if message.type == "error":
            self.complaints.append(message.text)

    def wait_for(self, selector, text):
        sync_api.expect(self.page.locator(selector)).to_contain_text(text, timeout=120_000)

    def open(self, path, name=None, threshold=30):
        """Give the page a photo; returns (name, score, area) of each row of the list."""
        self.page.locator("#threshold").fill(str(threshold))
        data = pathlib.Path(path).read_bytes()
        name = name or pathlib.Path(path).name
        self.page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": data})
        self.wait_for("#status", f"{name}: ")
        return self.page.eval_on_selector_all(
            "#rows tr",
            "rows => rows.map(row => [row.querySelector('.name').innerText,"
            " ...[...row.querySelectorAll('data')].slice(0, 2).map(each => Number(each.value))])",
        )


@pytest.fixture
def visit(chromium):
    """Open a page at a size; gives a `Visit`."""
    opened = []

    def start(address, width=1400, height=900):
        context = chromium.new_context(viewport={"width": width, "height": height})
        opened.append(context)
        return Visit(context.new_page(), address)

    yield start
    for context in opened:
        context.close()
