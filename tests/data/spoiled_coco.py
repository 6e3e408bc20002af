"""A small data set to spoil, and the checker in a process of its own."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import PIL.Image

HEIGHT, WIDTH = 96, 128
MAX_MEMORY = 3_000_000_000
MAX_SECONDS = 60


def _make_annotation(i: int) -> dict[str, Any]:
    x, y, side = 10.0 + 6 * (i % 5), 12.0 + 7 * (i % 4), 20.0 + i
    square = [x, y, x + side, y, x + side, y + side, x, y + side]
    return {
        "id": i,
        "image_id": 1 + (i - 1) // 4,
        "category_id": 1 + (i - 1) % 2,
        "bbox": [x, y, side, side],
        "area": side * side,
        "iscrowd": 0,
        "segmentation": [square],
    }


class CocoCase:
    """Three photos `1.jpg` .. `3.jpg` of 96 by 128 pixels with four squares of two classes each.

    Attributes:
      folder: holds `images` and `a.json`.
      data: what `check` writes and checks; change it at will.
    """

    def __init__(self, folder: pathlib.Path, forks: Forks) -> None:
        self.folder, self.forks = folder, forks
        self.images = folder / "images"
        self.images.mkdir()
        self.data: Any = {
            "images": [
                {"id": i, "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH} for i in (1, 2, 3)
            ],
            "annotations": [_make_annotation(i) for i in range(1, 13)],
            "categories": [{"id": 1, "name": "fig"}, {"id": 2, "name": "date"}],
        }
        for i in (1, 2, 3):
            self.draw(i).save(self.images / f"{i}.jpg")

    def draw(self, seed: int, height: int = HEIGHT, width: int = WIDTH) -> Any:
        """Draw a photo of coarse noise."""
        small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
        return PIL.Image.fromarray(small).resize((width, height))

    def write(self, name: str = "a.json") -> str:
        """Write the data, or text as it is; return the path."""
        path = self.folder / name
        text = self.data if isinstance(self.data, str) else json.dumps(self.data)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def check(self, *options: str, images: bool = True) -> tuple[int, dict[str, Any], str]:
        """Check in a process of its own, with limits.

        Returns:
          Exit code, the JSON that was printed (empty for none), and standard error.
        """
        arguments = ["data", "check", self.write(), "--json", *options]
        arguments += ["--images", str(self.images)] if images else ["--no-images"]
        code, out, errors = self.forks.run(arguments, self.folder)
        assert code in (0, 1, 2), (code, errors[-2000:])
        assert "Traceback" not in errors, errors[-2000:]
        lines = out.splitlines()
        assert len(lines) <= 1
        return code, json.loads(lines[0]) if lines else {}, errors


class Forks:
    """Runs each command in a fork of one process that has imported what they need."""

    _PROGRAM = f"""
import json, os, resource, signal, sys, traceback
import PIL.Image
from official_yolact.cli import main
from official_yolact.data.checking import check, page, repair, report
PIL.Image.init()
for line in sys.stdin:
    arguments, out, errors = json.loads(line)
    child = os.fork()
    if not child:
        code = 70
        try:
            resource.setrlimit(resource.RLIMIT_AS, ({MAX_MEMORY}, {MAX_MEMORY}))
            signal.alarm({MAX_SECONDS})
            for number, path in ((1, out), (2, errors)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            code = main.main(arguments)
            assert "tensorflow" not in sys.modules
        except BaseException:
            traceback.print_exc()
            code = 70
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def run(self, arguments: list[str], folder: pathlib.Path) -> tuple[int, str, str]:
        """Run `yolact` with arguments; a negative exit code is the signal that ended it."""
        out, errors = folder / "stdout.txt", folder / "stderr.txt"
        self._process.stdin.write(json.dumps([arguments, str(out), str(errors)]) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return code, out.read_text(encoding="utf-8"), errors.read_text(encoding="utf-8")

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
