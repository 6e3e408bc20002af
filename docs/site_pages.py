"""What the site has beyond the pages of this folder: navigation, pages of the checkout, and the interface.

mkdocs calls these functions (`hooks` of mkdocs.yml). The navigation is that of README.md in this folder.
"""

from __future__ import annotations

import pathlib
import re
from typing import Any

from mkdocs import exceptions
from mkdocs.structure import files as files_lib

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
OUTSIDE = {
    "README.md": "library.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Pages of the checkout, by their name there: their name on the site."""

INTERFACE = {
    "api-library.md": (
        "From Python",
        "What `import official_yolact` offers; `import official_yolact_runtime` offers the same for exports,"
        " without TensorFlow.",
        (
            "official_yolact.serving.models.load",
            "official_yolact_runtime.predictor.Predictor",
            "official_yolact_runtime.detections.Detections",
            "official_yolact_runtime.tracking.Tracker",
            "official_yolact_runtime.tiling.predict_tiled",
        ),
    ),
    "api-tensors.md": (
        "Tensors",
        "The names, types, shapes and frames of what passes from one part of the code to the next.",
        ("official_yolact.schema",),
    ),
    "api-runtime.md": (
        "Without TensorFlow",
        "The distribution `official-yolact-runtime`.",
        ("official_yolact_runtime.loading", "official_yolact_runtime.export_info"),
    ),
}
"""Pages made from docstrings: title, introduction, and what they describe."""

_TITLES = {"to": "Guides"}
"""Of sections, where the heading of the table says too little."""

_LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc=[\"']?(?:https?:)?//"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon))[^>]*?\bhref=[\"']?(?:https?:)?//"
    r"|url\(\s*[\"']?(?:https?:)?//",
    re.IGNORECASE,
)


def on_config(config: Any) -> Any:
    """Make the navigation from the tables of the index, and the pages that are made."""
    config.nav = list_navigation((CHECKOUT / "docs" / "README.md").read_text(encoding="utf-8"))
    return config


def list_navigation(index: str) -> list[Any]:
    """List the pages of each table of the index under the table's heading.

    Args:
      index: Markdown; a table begins with a line `| HEADING | read |`.
    """
    found: list[Any] = [{"Documentation": "README.md"}]
    section: list[str] = []
    for line in index.splitlines():
        heading = re.match(r"\| (.+) \| read \|", line)
        if heading:
            section = []
            found.append({_TITLES.get(heading[1], heading[1]).capitalize(): section})
        elif line.startswith("| "):
            section += [_rename(path) for path in re.findall(r"\]\(([^)#]+)", line)]
        elif line.startswith("**New here?**"):
            found += re.findall(r"\]\(([^)#]+)", line)
    listed = {path for one in found if isinstance(one, dict) for path in next(iter(one.values()))}
    others = [path for path in OUTSIDE.values() if path not in listed]
    return [*found, {"The interface": list(INTERFACE)}, {"The library": others}]


def _rename(path: str) -> str:
    return OUTSIDE.get(path.removeprefix("../"), path)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the checkout, and those of the interface."""
    for name, page in OUTSIDE.items():
        text = (CHECKOUT / name).read_text(encoding="utf-8")
        files.append(files_lib.File.generated(config, page, content=move_links(text, name)))
    for page, (title, introduction, names) in INTERFACE.items():
        text = f"# {title}\n\n{introduction}\n" + "".join(f"\n::: {name}\n" for name in names)
        files.append(files_lib.File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001  mkdocs' names
    """Lead links out of the folder to the pages that are made of these files."""
    for name, target in OUTSIDE.items():
        markdown = markdown.replace(f"](../{name}", f"]({target}")
    return markdown


def move_links(text: str, name: str) -> str:
    """Lead the links of a page of the checkout to the pages of the site; those to no page become code."""

    def move(found: re.Match[str]) -> str:
        label, path, anchor = found[1], found[2], found[3] or ""
        if re.match(r"https?:|$", path):
            return found[0]
        if path in OUTSIDE:
            return f"[{label}]({OUTSIDE[path]}{anchor})"
        if path.startswith("docs/"):
            return f"[{label}]({path.removeprefix('docs/')}{anchor})"
        if not (CHECKOUT / path).exists():
            raise exceptions.PluginError(f"{name}: links to {path}, which does not exist")
        return f"{label} (`{path}`)"

    return re.sub(r"\[([^\]]*)\]\(([^)#\s]*)(#[^)]*)?\)", move, text)


def on_post_page(output: str, page: Any, config: Any) -> str:  # noqa: ARG001  mkdocs' names
    """Refuse a page that loads something from another host, such as a font or a script."""
    found = _LOADED.search(output)
    if found:
        raise exceptions.PluginError(f"{page.file.src_path}: loads from another host: {found[0]}")
    return output
