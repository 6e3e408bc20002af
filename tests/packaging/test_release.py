"""A release: one version everywhere, a changelog that has it, and workflows with pinned actions and few rights."""

import importlib.util
import pathlib
import re
import tarfile
import zipfile

import pytest
import yaml

import official_yolact

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((CHECKOUT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.fixture(scope="module")
def release_check():
    spec = importlib.util.spec_from_file_location("release_check", CHECKOUT / ".ci" / "release_check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_that_repeats_the_version_has_the_same(release_check):
    assert release_check.read_version() == official_yolact.__version__
    assert release_check.check_versions(official_yolact.__version__) == []
    assert [line.partition(":")[0] for line in release_check.check_versions("9.9.9")] == [
        "setup.cfg",
        "constraints.txt",
        "CITATION.cff",
    ]


def test_the_changelog_is_of_this_version_and_a_tag_needs_its_date(release_check, tmp_path, monkeypatch):
    version = official_yolact.__version__
    assert release_check.check_changelog(version, "") == []
    monkeypatch.setattr(release_check, "CHECKOUT", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {version} - 2026-01-31\n")
    assert release_check.check_changelog(version, f"v{version}") == []
    assert "expected 'Unreleased: " in release_check.check_changelog(version, "")[0]
    assert "the tag is v9" in release_check.check_changelog(version, "v9")[0]
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## Unreleased: {version}\n")
    assert "expected '" in release_check.check_changelog(version, f"v{version}")[0]


def test_a_wheel_that_lacks_a_module_or_holds_a_test_is_refused(release_check, tmp_path, monkeypatch):
    package = tmp_path / "official_yolact"
    package.mkdir()
    for name in ("__init__.py", "train.py"):
        (package / name).write_text("")
    monkeypatch.setattr(release_check, "DISTRIBUTIONS", {"official_yolact": tmp_path})
    with zipfile.ZipFile(tmp_path / "official_yolact-1-py3-none-any.whl", "w") as wheel:
        for name in ("official_yolact/__init__.py", "tests/test_a.py", "official_yolact-1.dist-info/RECORD"):
            wheel.writestr(name, "")
    with tarfile.open(tmp_path / "official_yolact-1.tar.gz", "w") as sdist:
        for name in ("official_yolact/__init__.py", "official_yolact/train.py", "LICENSE", "docs/a.md"):
            sdist.addfile(tarfile.TarInfo(f"official_yolact-1/{name}"))
    assert release_check.check_contents(tmp_path, "1") == [
        "official_yolact: the wheel lacks official_yolact/train.py",
        "official_yolact: the wheel holds tests/test_a.py",
        "official_yolact: the sdist holds docs/a.md",
        "official_yolact: the sdist lacks README.md",
    ]


def test_the_source_of_the_library_has_the_file_that_its_version_is_read_from():
    (line,) = [line for line in (CHECKOUT / "MANIFEST.in").read_text().splitlines() if line[:1] != "#"]
    assert (CHECKOUT / line.removeprefix("include ")).is_file()


def test_the_overrides_of_the_small_demo_are_keys_of_a_configuration(release_check):
    from official_yolact.configs import experiments

    for word in release_check.DEMO:
        if "=" in word:
            section = experiments.EXPERIMENTS["yolact_tiny_shapes"]()
            for name in word.partition("=")[0].split("."):
                section = getattr(section, name)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_pinned_actions_few_rights_and_commands_that_exist(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    makefile = (CHECKOUT / "Makefile").read_text()
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 120
        assert job.get("permissions", {}) == ({"id-token": "write"} if name == "publish" else {})
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])
            elif step["run"].startswith("make "):
                assert re.search(rf"^{step['run'].split()[1]}:", makefile, re.MULTILINE)
            else:
                assert (CHECKOUT / step["run"]).is_file()
    assert len(re.findall(r"uses: \S+ # v[\d.]+$", path.read_text(), re.MULTILINE)) == path.read_text().count(
        "uses:"
    )
    assert "secrets." not in path.read_text()


def test_only_the_job_that_publishes_may_and_it_runs_nothing_of_the_tree():
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/release.yml").read_text())
    publish = workflow["jobs"]["publish"]
    assert (publish["needs"], publish["environment"]) == ("build", "release")
    assert [step["uses"].partition("@")[0] for step in publish["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]


def test_who_reports_a_fault_is_asked_for_the_report_of_the_doctor():
    forms = {path.stem: yaml.safe_load(path.read_text()) for path in TEMPLATES if path.stem != "config"}
    assert forms.keys() == {"accuracy", "bug"}
    for form in forms.values():
        asked = {field["attributes"]["label"]: field.get("validations") for field in form["body"]}
        assert asked["The output of `yolact doctor --json`"] == {"required": True}


def test_the_citation_names_the_library_and_both_papers():
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text())
    assert (citation["cff-version"], citation["license"]) == ("1.2.0", "Apache-2.0")
    assert [one["url"] for one in citation["references"]] == [
        "https://arxiv.org/abs/1904.02689",
        "https://arxiv.org/abs/1912.06218",
    ]
