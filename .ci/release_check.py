"""Build what is released, look at it, install it where nothing else is, and run it.

python .ci/release_check.py [--tag vX.Y.Z] [--no-install]

Builds the sdist and the wheel of both distributions into dist/, each wheel from its sdist; checks versions,
changelog, metadata and contents; installs the runtime's wheel alone and both wheels, each time into an
environment of their own, from the index that pip is configured with, at the versions of constraints.txt; and
runs `yolact demo` there, in small.
"""

from __future__ import annotations

import argparse
import configparser
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
DISTRIBUTIONS = {"official_yolact": CHECKOUT, "official_yolact_runtime": CHECKOUT / "runtime"}
DEMO = (
    "--train", "8", "--val", "4", "trainer.train_steps=2", "trainer.validation_interval=2",
    "trainer.checkpoint_interval=2", "trainer.summary_interval=2", "trainer.steps_per_loop=2",
    "task.train_data.global_batch_size=4", "task.validation_data.global_batch_size=4",
)  # fmt: skip


def read_version() -> str:
    """Read the version of both distributions from its one place."""
    text = (DISTRIBUTIONS["official_yolact_runtime"] / "official_yolact_runtime/__init__.py").read_text(
        "utf-8"
    )
    return re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)[1]


def check_versions(version: str) -> list[str]:
    """Compare what has to repeat the version; a message for each that has another one."""
    setup = configparser.ConfigParser()
    setup.read(CHECKOUT / "setup.cfg", "utf-8")
    stated = {
        "setup.cfg": re.search(
            r"^official-yolact-runtime ==(.*)$", setup["options"]["install_requires"], re.M
        )[1],
        "constraints.txt": re.search(
            r"^official-yolact-runtime==(.*)$", (CHECKOUT / "constraints.txt").read_text("utf-8"), re.M
        )[1],
        "CITATION.cff": re.search(r"^version: (.*)$", (CHECKOUT / "CITATION.cff").read_text("utf-8"), re.M)[
            1
        ],
    }
    return [
        f"{file}: has version {found}, not {version}" for file, found in stated.items() if found != version
    ]


def check_changelog(version: str, tag: str) -> list[str]:
    """Look for the version in the changelog: of a tag with its date, else as unreleased."""
    text = (CHECKOUT / "CHANGELOG.md").read_text("utf-8")
    heading = re.search(r"^## (.*)$", text, re.MULTILINE)[1]
    expected = rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d" if tag else rf"Unreleased: {re.escape(version)}"
    problems = []
    if not re.fullmatch(expected, heading):
        wanted = f"{version} - YYYY-MM-DD" if tag else f"Unreleased: {version}"
        problems.append(f"CHANGELOG.md: its first section is '{heading}', expected '{wanted}'")
    if tag and tag != f"v{version}":
        problems.append(f"the tag is {tag}, but the version is {version}")
    return problems


def check_contents(dist: pathlib.Path, version: str) -> list[str]:
    """Look for what is missing in the files of dist/, and for what does not belong there."""
    problems = []
    for package, folder in DISTRIBUTIONS.items():
        modules = {path.relative_to(folder).as_posix() for path in (folder / package).rglob("*.py")}
        with zipfile.ZipFile(dist / f"{package}-{version}-py3-none-any.whl") as wheel:
            in_wheel = set(wheel.namelist())
        with tarfile.open(dist / f"{package}-{version}.tar.gz") as sdist:
            in_sdist = {name.partition("/")[2] for name in sdist.getnames()}
        problems += [f"{package}: the wheel lacks {name}" for name in sorted(modules - in_wheel)]
        problems += [f"{package}: the sdist lacks {name}" for name in sorted(modules - in_sdist)]
        strange = [
            name
            for name in in_wheel
            if not name.startswith((f"{package}/", f"{package}-{version}.dist-info/"))
        ]
        problems += [f"{package}: the wheel holds {name}" for name in sorted(strange)]
        strange = [name for name in in_sdist if name.startswith(("tests/", "docs/", "benchmarks/", ".ci/"))]
        problems += [f"{package}: the sdist holds {name}" for name in sorted(strange)]
        problems += [
            f"{package}: the sdist lacks {name}" for name in ("LICENSE", "README.md") if name not in in_sdist
        ]
    return problems


def build(dist: pathlib.Path) -> None:
    """Build both distributions; a wheel is made from its sdist, as an installer without a wheel would."""
    for folder in DISTRIBUTIONS.values():
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(folder))
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(dist.iterdir())))


def install_and_run(dist: pathlib.Path, folder: pathlib.Path) -> None:
    """Install the runtime alone, then both, each time in a new environment; run them outside the checkout."""
    programs = install(folder / "runtime", [*dist.glob("official_yolact_runtime-*.whl")])
    run(str(programs / "yolact-runtime"), "--help", at=folder)
    programs = install(folder / "both", sorted(dist.glob("*.whl")))
    yolact = str(programs / "yolact")
    run(yolact, "--version", at=folder)
    run(yolact, "demo", "--output", "demo", *DEMO, at=folder)
    run(yolact, "card", "demo/model", "--license", "apache-2.0", at=folder)
    run(str(programs / "yolact-runtime"), "--help", at=folder)


def install(environment: pathlib.Path, wheels: list[pathlib.Path]) -> pathlib.Path:
    """Make an environment of these wheels and what they require; its folder of programs."""
    venv.create(environment, with_pip=True)
    programs = environment / "bin"
    pip = str(programs / "python"), "-m", "pip"
    constraints = str(CHECKOUT / "constraints.txt")
    run(*pip, "install", "--quiet", "--constraint", constraints, *map(str, wheels), at=environment)
    run(*pip, "check", at=environment)
    return programs


def run(*words: str, at: pathlib.Path = CHECKOUT) -> None:
    """Run a program; raises CalledProcessError where it fails."""
    print("$", *words, flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(words, cwd=at, env=environment, check=True)


def main() -> int:
    """Do all of it; the exit code is 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tag", default="", help="of the release; the changelog must have its date")
    parser.add_argument("--no-install", action="store_true", help="build and look, install nothing")
    args = parser.parse_args()
    version = read_version()
    dist = CHECKOUT / "dist"
    problems = [*check_versions(version), *check_changelog(version, args.tag)]
    if not problems:
        if dist.is_dir() and any(dist.iterdir()):
            print(f"{dist}: is not empty: run `make clean` first", file=sys.stderr)
            return 1
        build(dist)
        problems = check_contents(dist, version)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    if not args.no_install:
        with tempfile.TemporaryDirectory() as folder:
            install_and_run(dist, pathlib.Path(folder))
    print(f"{version}: can be released" if args.tag else f"{version}: could be released")
    return 0


if __name__ == "__main__":
    sys.exit(main())
