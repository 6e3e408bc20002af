"""The page of the zoo has what is known of every whole model, and the two statements of its AP agree."""

import pathlib
import re

from official_yolact.weights import model_names
from official_yolact.weights import named_weights
from official_yolact.weights import published

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "zoo.md").read_text(encoding="utf-8")
MODELS = (DOCS / "models.md").read_text(encoding="utf-8")


def test_every_whole_model_has_a_row_with_no_figure_missing_and_a_section_of_commands():
    assert len(model_names.MODELS) == 6
    for name in model_names.MODELS:
        rows = re.findall(rf"^\| `{name}` \|(.*)\|$", PAGE, flags=re.MULTILINE)
        cells = [[cell.strip() for cell in row.split("|")] for row in rows]
        # The others are rows of times, of 4 columns.
        (whole,) = [row for row in cells if len(row) != 4]
        network, size, parameters, gmacs, test_dev, _, licence = whole
        assert all((network, size, parameters, gmacs, test_dev, licence))
        for command in ("weights get", "predict", "eval", "export"):
            assert f"\nyolact {command} {name}" in PAGE
        assert f"--init-checkpoint {name} " in PAGE
        assert f"\n- `{name}`: test-dev2017 " in PAGE


def test_the_figures_of_the_code_are_those_of_the_page_on_models():
    lines = [line for line in MODELS.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    for name in model_names.MODELS:
        (experiment,) = named_weights.find(name).experiments
        found = {figure.images: figure for figure in published.FIGURES[experiment]}
        mine = [row for row in rows if row[0] == f"`{experiment}`"]
        # Of 11 columns: mask AP first; of 4: box AP, mask AP and who has stated them.
        (test_dev,) = [row[1] for row in mine if len(row) == 11]
        assert float(test_dev) == found[published.TEST_DEV].mask_ap
        val = [
            (float(row[1]), float(row[2]))
            for row in mine
            if len(row) == 4 and re.fullmatch(r"[\d.]+", row[1])
        ]
        assert val == [
            (figure.box_ap, figure.mask_ap) for figure in found.values() if figure.images == published.VAL
        ]
