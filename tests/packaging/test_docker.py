"""What the Dockerfiles copy, install and run is in the tree, and the smallest image has what its server imports."""

import configparser
import fnmatch
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import tiny_exports
import yaml

from official_yolact.cli import main

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted((CHECKOUT / "docker").glob("*.Dockerfile"))
COMPOSE = CHECKOUT / "docker" / "compose.yaml"
EXTRAS = {"": "setup.cfg", "runtime": "runtime/setup.cfg"}


def instructions(path):
    """List the instructions of a file as (word, rest), lines joined."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def named(path, word):
    return [rest for first, rest in instructions(path) if first == word]


def ignored(name):
    """Tell whether the context leaves a file of the checkout out: the last pattern that fits decides."""
    found = False
    for line in (CHECKOUT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            if fnmatch.fnmatchcase(name.split("/")[0], pattern) or fnmatch.fnmatchcase(
                f"/{name}", pattern.replace("**", "*")
            ):
                found = not line.startswith("!")
    return found


def installed(path):
    """List the requirements of all `pip install` of a file."""
    return [
        word
        for run in named(path, "RUN")
        for part in run.split("&&")
        for word in _requirements(shlex.split(part))
    ]


def _requirements(words):
    if not words or not words[0].endswith("pip"):
        return []
    assert "--no-deps" in words or words[words.index("--constraint") + 1] == "constraints.txt"
    after = words[words.index("install") + 1 :]
    return [word for word in after if not word.startswith("--") and word != "constraints.txt"]


def test_there_are_three_images_and_each_copies_what_is_there():
    assert [path.name for path in FILES] == ["cpu.Dockerfile", "gpu.Dockerfile", "runtime.Dockerfile"]
    for path in FILES:
        for rest in named(path, "COPY"):
            *sources, _ = rest.split()
            if sources[0].startswith("--from="):
                assert sources[0] == "--from=build"
                continue
            for source in sources:
                assert (CHECKOUT / source).exists(), (path.name, source)
                assert not ignored(source), source


def test_what_the_build_needs_of_the_tree_is_copied():
    for path in FILES:
        copied = {source for rest in named(path, "COPY") for source in rest.split()[:-1]}
        assert {
            "constraints.txt",
            "setup.cfg",
            "pyproject.toml",
            "README.md",
            "LICENSE",
            "runtime",
            "official_yolact",
        } <= copied


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_image_installs_extras_that_exist_and_names_that_are_pinned(path):
    pins = {line.partition("==")[0] for line in (CHECKOUT / "constraints.txt").read_text().splitlines()}
    requirements = installed(path)
    assert requirements
    for requirement in requirements:
        name, _, extras = requirement.rstrip("]").partition("[")
        if not name.startswith("."):
            assert name in pins
            continue
        setup = configparser.ConfigParser()
        setup.read(CHECKOUT / EXTRAS[name.strip("./")])
        assert set(filter(None, extras.split(","))) <= set(setup["options.extras_require"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_image_runs_the_server_as_a_plain_user_and_looks_after_it(path):
    (entry,), (command,) = named(path, "ENTRYPOINT"), named(path, "CMD")
    program, *words = [*json.loads(entry), *json.loads(command)]
    assert program == "yolact"
    args = main.build_parser().parse_args(words)
    assert (args.command, args.host) == ("serve", "0.0.0.0")
    order = [word for word, _ in instructions(path)]
    assert named(path, "USER") == ["1000"]
    assert order.index("USER") > max(index for index, word in enumerate(order) if word in ("RUN", "COPY"))
    assert named(path, "EXPOSE") == [str(args.port)]
    (health,) = named(path, "HEALTHCHECK")
    assert f"http://127.0.0.1:{args.port}/v2/health/ready" in health
    python = json.loads(health[health.index("[") :])
    assert python[:2] == ["python", "-c"]
    compile(python[2], path.name, "exec")
    assert all(re.search(r":3\.11-", image) for image in named(path, "FROM"))


def test_every_command_that_the_comments_name_exists():
    for path in [*FILES, COMPOSE]:
        for line in re.findall(r"^#\s+(docker .*)$", path.read_text(), flags=re.MULTILINE):
            words = shlex.split(line)
            if "--file" in words:
                assert (CHECKOUT / words[words.index("--file") + 1]).is_file(), line
            if words[1] == "run" and words[-1] != f"yolact:{path.stem}":
                assert main.build_parser().parse_args(words[words.index("yolact:gpu") + 1 :]).run


def test_the_composition_runs_these_images_with_commands_that_exist():
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert services.keys() == {"server", "gpu"}
    for service in services.values():
        assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        words = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in service["command"]]
        args = main.build_parser().parse_args(words)
        assert service["ports"] == [f"127.0.0.1:${{YOLACT_PORT:-8500}}:{args.port}"]
        assert service["volumes"] == [f"${{YOLACT_MODEL:-../exported}}:{args.models[0]}:ro"]
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True


def test_the_smallest_image_has_all_that_its_server_imports(tmp_path):
    assert not any("tensorflow" in word for word in installed(CHECKOUT / "docker" / "runtime.Dockerfile"))
    path = tiny_exports.write_onnx(tmp_path / "model.onnx", tiny_exports.INFO.as_dict())
    setup = configparser.ConfigParser()
    setup.read(CHECKOUT / "setup.cfg")
    left_out = {
        "absl",
        "cv2",
        "google_crc32c",
        "h5py",
        "matplotlib",
        "official",
        "orbit",
        "pycocotools",
        "tensorflow",
    }
    left_out |= {"tf_keras", "keras", "yaml", "scipy", "pandas", "onnx", "tf2onnx", "av", "openvino"}
    statements = f"""
import importlib.abc, sys
class Without(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {left_out!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Without())
from official_yolact.cli import main
assert main.main(["serve", "--help"]) == 0
from official_yolact.serve import models, server, service, settings
store = models.Store({{"model": sys.argv[1]}}, 1, models.make_loader("auto", 1))
service.Service(settings.Settings(), store)
print("LOADED", *(model.describe()["runtime"] for model in store))
"""
    places = os.pathsep.join(sys.path)
    ran = subprocess.run(
        [sys.executable, "-c", statements, str(path)],
        env={**os.environ, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines()[-1:] == ["LOADED onnx"], ran.stderr
