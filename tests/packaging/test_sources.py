"""What no linter holds: rooms of the contract, pinned versions, words that must not appear."""

from __future__ import annotations

import configparser
import pathlib
import re
import tomllib

import official_yolact

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "official_yolact"
RUNTIME = CHECKOUT / "runtime"


def _project() -> dict:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return parser


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins() -> dict[str, str]:
    lines = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.lstrip().startswith("#")]
    return {_canonical(name): version for name, version in pairs}


def test_every_room_of_the_package_has_its_place_in_the_import_contract() -> None:
    contracts = _project()["tool"]["importlinter"]["contracts"]
    for package in (PACKAGE, RUNTIME / "official_yolact_runtime"):
        (layers,) = [c["layers"] for c in contracts if c.get("containers") == [package.name]]
        placed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
        rooms = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
        modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
        assert rooms | modules <= placed


def test_no_source_uses_keras_3() -> None:
    keras = re.compile(r"\btf\.keras\b|^\s*(import|from) keras\b", re.MULTILINE)
    sources = [*PACKAGE.rglob("*.py"), *RUNTIME.rglob("*.py")]
    assert len(sources) > 100
    assert [path for path in sources if keras.search(path.read_text(encoding="utf-8"))] == []


def test_every_requirement_is_pinned_and_nothing_names_an_index() -> None:
    setup = _setup()
    listed = setup["options"]["install_requires"] + setup["options.extras_require"]["dev"]
    lines = [line.strip() for line in listed.splitlines()]
    names = {_canonical(re.match(r"[\w.-]+", line)[0]) for line in lines if line and line[0] != "#"}
    assert names <= _pins().keys()
    text = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"index-url|trusted-host|find-links|://", text)


def test_every_requirement_has_its_reason() -> None:
    reasons = (CHECKOUT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    setup = _setup()
    listed = setup["options"]["install_requires"] + setup["options.extras_require"]["dev"]
    lines = [line.strip() for line in listed.splitlines()]
    names = [re.match(r"[\w.-]+", line)[0] for line in lines if line and line[0] != "#"]
    assert [name for name in names if f"`{name}`" not in reasons] == []


def test_the_library_requires_the_runtime_of_its_own_version() -> None:
    required = _setup()["options"]["install_requires"]
    assert f"official-yolact-runtime =={official_yolact.__version__}" in required.splitlines()
    assert _pins()["official-yolact-runtime"] == official_yolact.__version__


def test_tensorflow_and_model_garden_are_of_one_release() -> None:
    pins = _pins()
    releases = {pins[name].rsplit(".", 1)[0] for name in ("tensorflow", "tf-keras", "tf-models-official")}
    assert releases == {"2.20"}
    assert int(pins["setuptools"].split(".")[0]) < 82
