"""The site has every page of the documentation in its navigation, and asks no other host for anything."""

import importlib.util
import pathlib
import re

import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"


@pytest.fixture(scope="module")
def site_pages():
    spec = importlib.util.spec_from_file_location("site_pages", DOCS / "site_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _flatten(entry):
    if isinstance(entry, dict):
        entry = [one for value in entry.values() for one in (value if isinstance(value, list) else [value])]
    return [entry] if isinstance(entry, str) else [name for one in entry for name in _flatten(one)]


def test_every_page_is_once_in_the_navigation_under_the_heading_of_its_table(site_pages):
    navigation = site_pages.list_navigation((DOCS / "README.md").read_text(encoding="utf-8"))
    listed = _flatten(navigation)
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    made = {*site_pages.OUTSIDE.values(), *site_pages.INTERFACE}
    assert sorted(listed) == sorted(pages | made)
    headings = [next(iter(entry)) for entry in navigation if isinstance(entry, dict)]
    assert headings[:3] == ["Documentation", "Guides", "On larger machines"]


def test_what_the_interface_describes_is_there(site_pages):
    for _, _, names in site_pages.INTERFACE.values():
        for name in names:
            module = (
                name if importlib.util.find_spec(name.rpartition(".")[0]) is None else name.rpartition(".")[0]
            )
            assert importlib.util.find_spec(module) is not None, name


def test_links_of_pages_of_the_checkout_lead_to_pages_of_the_site(site_pages):
    text = "[a](docs/data.md#x) [b](CHANGELOG.md) [c](https://x.org/a) [d](#here) [e](setup.cfg) ![f](docs/images/g.jpg)"
    assert site_pages.move_links(text, "README.md") == (
        "[a](data.md#x) [b](changelog.md) [c](https://x.org/a) [d](#here) e (`setup.cfg`) ![f](images/g.jpg)"
    )
    with pytest.raises(Exception, match=r"README.md: links to docs2/x.md, which does not exist"):
        site_pages.move_links("[a](docs2/x.md)", "README.md")


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/a.js">',
        "<link rel=stylesheet href=//fonts.example/a.css>",
        '<img alt="x" src="http://example.org/a.png">',
        "<style>a{background:url(https://example.org/b.png)}</style>",
    ],
    ids=["script", "style sheet", "picture", "background"],
)
def test_a_page_that_loads_from_another_host_is_refused(site_pages, html):
    class Page:
        class file:
            src_path = "a.md"

    with pytest.raises(Exception, match=r"a.md: loads from another host"):
        site_pages.on_post_page(html, Page, None)
    fine = '<a href="https://example.org"><img src="images/a.png"><link rel=stylesheet href="assets/a.css">'
    assert site_pages.on_post_page(fine, Page, None) == fine


def test_the_build_is_strict_and_uses_no_font_of_another_host_and_no_analytics():
    text = re.sub(r"!!python\S*", "", (CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8"))
    settings = yaml.safe_load(text)
    assert settings["strict"] is True
    assert settings["theme"]["font"] is False
    assert "extra" not in settings
    assert "warn" in settings["validation"]["links"]["anchors"]
