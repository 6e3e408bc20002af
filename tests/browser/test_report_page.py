"""The page of a report, in headless Chromium."""

import known_mistakes
import numpy as np
import pytest
import report_example
from PIL import Image

from official_yolact.cli import main
from official_yolact.reporting import html_page

HARM = "<img src=/nothing onerror=\"document.title='harmed'\"></script><script>document.title='harmed'</script>\u202egif"
CLASSES = [f"class {number}" for number in range(1, 81)]
SECTIONS = [
    "numbers",
    "errors",
    "classes",
    "sizes",
    "curves",
    "confusion",
    "masks",
    "worst",
    "labels",
    "best",
    "speed",
    "evaluated",
]


def write_page(folder, names=("peanut", "walnut"), change=None, num_images=6):
    rng = np.random.default_rng(0)
    for number in range(1, num_images + 1):
        pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    report = report_example.make_report(tuple(names), num_images)
    if change:
        change(report)
    html_page.write_page(report, str(folder), str(folder))
    return (folder / "report.html").as_uri()


@pytest.fixture
def visit(visit):
    """Open a page that is a file: nothing on it takes long."""

    def start(address, **options):
        opened = visit(address, **options)
        opened.page.set_default_timeout(20_000)
        # Charts are drawn with the first picture of the page, for its width.
        opened.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        return opened

    return start


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The page of a report of 80 classes."""
    return write_page(tmp_path_factory.mktemp("large"), CLASSES)


def count_drawn(page):
    """Count charts that have lines, bars or cells; all charts; and photos that can be decoded; all photos."""
    return page.evaluate("""async () => {
      const charts = [...document.querySelectorAll("[data-chart]")];
      const isDrawn = (chart) => [...chart.querySelectorAll("path.series, .track i, rect.cell")]
        .some((each) => each.getBoundingClientRect().width > 0);
      const photos = [...document.querySelectorAll(".photo image")];
      const decoded = await Promise.all(photos.map(async (photo) => {
        const picture = new Image();
        picture.src = photo.getAttribute("href");
        await picture.decode();
        return picture.naturalWidth > 0 && photo.getBoundingClientRect().width > 100;
      }));
      return [charts.filter(isDrawn).length, charts.length, decoded.filter(Boolean).length, photos.length];
    }""")


@pytest.mark.parametrize("width", [400, 1400])
def test_each_chart_and_picture_is_drawn_and_nothing_is_asked_of_a_network(address, visit, width):
    opened = visit(address, width=width)
    page = opened.page
    assert page.eval_on_selector_all("main section", "all => all.map(each => each.id)") == SECTIONS
    charts, all_charts, photos, all_photos = count_drawn(page)
    assert charts == all_charts == 8
    assert photos == all_photos == 2 * (6 + 1 + 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".means").count() == len(SECTIONS)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [address]


def test_the_page_of_80_classes_is_whole_in_both_widths(large, visit):
    for width in (400, 1400):
        opened = visit(large, width=width)
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.page.locator("#classes tbody tr").count() == 80
        assert opened.page.locator("#confusion rect.cell").count() == 3 * 80 + 1
        charts, all_charts, *_ = count_drawn(opened.page)
        assert charts == all_charts
        assert opened.complaints == []


def test_classes_are_sorted_by_any_column_and_found_by_name(large, visit):
    page = visit(large).page
    rows = page.locator("#classes tbody tr")

    def read(column):
        return rows.locator(f":scope > :nth-child({column})").all_inner_texts()

    points = [float(text) for text in read(3)]
    assert points == sorted(points)
    page.locator("#classes").get_by_role("button", name="Objects", exact=True).click()
    objects = [int(text) for text in read(2)]
    assert objects == sorted(objects, reverse=True)
    assert page.locator("#classes th[aria-sort=descending]").inner_text().startswith("Objects")
    page.locator("#classes").get_by_role("button", name="Class", exact=True).click()
    assert read(1) == CLASSES  # by number, not by letter
    page.get_by_role("searchbox").fill("CLASS 8")
    assert read(1) == ["class 8", "class 80"]
    page.get_by_role("button", name="Boxes").click()
    assert read(1) == ["class 80", "class 8"]
    assert page.get_by_role("button", name="Boxes").get_attribute("aria-pressed") == "true"


def test_a_curve_is_drawn_of_the_chosen_class_and_read_at_the_pointer(address, visit):
    page = visit(address).page
    chart = page.locator("[data-chart='Precision over recall']")
    assert chart.locator("path.series").count() == 1
    page.locator("#curves").get_by_role("combobox", name="Class").select_option("walnut")
    assert chart.locator("path.series").count() == 2
    assert chart.locator(".legend").inner_text().split("\n")[0] == "walnut"
    svg = chart.locator("svg[role=img]")
    width = svg.bounding_box()["width"]
    svg.hover(position={"x": (46 + width - 12) / 2, "y": 60})  # the middle between the margins of the axes
    # A recall of one half: 1 - 0.5 / 3 of the class, 1 - 0.5 / 2 of all.
    assert chart.locator(".readout").inner_text() == "walnut: 0.83 at 0.50; mean of all classes: 0.75 at 0.50"


def test_the_recommended_threshold_is_drawn_and_listed(address, visit):
    page = visit(address).page
    assert page.locator("#curves line.threshold").count() == 1
    tables = [table.inner_text().split() for table in page.locator("#curves tbody").all()]
    assert tables == [["90%", "0.90", "90%", "10%"], ["99%", "not", "reached", "–", "–"]]
    assert "--score-threshold 0.50" in page.locator(".advice").inner_text()


def test_a_cell_of_the_confusion_matrix_says_what_it_is(address, visit):
    page = visit(address).page
    says = page.locator("#confusion .readout")
    for at, text in {
        "0 0": "15 objects of peanut were found: 75.0% of them.",
        "0 1": "1 objects of peanut were taken for walnut: 5.0% of them.",
        "1 2": "4 objects of walnut were missed: 21.1% of them.",
        "2 1": "3 detections of walnut lie on background: 50.0% of all on background.",
    }.items():
        page.locator(f"#confusion rect[data-at='{at}']").hover()
        assert says.inner_text() == text
    page.get_by_role("button", name="shares of the row").click()
    assert page.locator("#confusion svg").inner_html().count("75%") == 1
    assert page.locator("#confusion table tbody tr").inner_text().split() == ["peanut", "walnut", "1", "5.0%"]


def test_images_are_filtered_by_class_and_by_kind_of_error(tmp_path, visit):
    def change(report):
        first = report["images"]["worst"][0]
        first["detections"] = [each for each in first["detections"] if each["outcome"] != "false"]

    page = visit(write_page(tmp_path, change=change)).page
    worst = page.locator("#worst")
    cards = worst.locator(".card:visible")
    assert cards.count() == 6
    worst.get_by_role("combobox", name="Kind of error").select_option("Wrong class")
    assert cards.count() == 5
    assert worst.locator(".controls").inner_text().endswith("5 of 6 images")
    worst.get_by_role("combobox", name="Class", exact=True).select_option("walnut")
    assert cards.count() == 5
    worst.get_by_role("combobox", name="Kind of error").select_option("Nothing there")
    assert cards.count() == 0
    worst.get_by_role("combobox", name="Class", exact=True).select_option("peanut")
    assert cards.count() == 5
    faded = cards.first.locator(".what li.faded")
    assert faded.count() == 2
    assert cards.first.locator("svg .faded").count() > 0
    worst.get_by_role("combobox", name="Kind of error").select_option("all kinds")
    worst.get_by_role("combobox", name="Class", exact=True).select_option("all classes")
    assert cards.count() == 6


def test_what_went_wrong_is_written_at_each_object_and_below(address, visit):
    page = visit(address).page
    card = page.locator("#worst .card").first
    truth, found = (each.text_content() for each in card.locator("svg").all())
    assert "✓ peanut" in truth
    assert "○ peanut" in truth
    assert "✓ peanut 90%" in found
    assert "✗ walnut 70%: is peanut" in found
    assert "✗ peanut 80%" in found
    assert card.locator(".what li").all_inner_texts() == [
        "✗\nbackground: an example (score 80%)",
        "✗\nclass: an example (score 70%)",
        "○\nmissed: an example",
    ]
    labels = page.locator("#labels .card").first
    assert labels.locator(".what li").all_inner_texts() == ["✗\nbackground: an example (score 80%)"]
    dashes = card.locator("path[stroke-dasharray]").evaluate_all(
        "all => [...new Set(all.map(each => each.getAttribute('stroke')))]"
    )
    assert {"#d55e00", "#f0c800"} <= set(dashes)


def test_a_card_is_enlarged_and_closed_by_the_keyboard(address, visit):
    opened = visit(address)
    page = opened.page
    page.locator("#worst .photo").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog svg").count() == 2
    assert page.locator("dialog svg").first.bounding_box()["width"] > 500
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert opened.complaints == []


@pytest.mark.parametrize("classes", [2, 80], ids=["two classes", "80 classes"])
def test_no_name_runs_or_changes_the_page(tmp_path, visit, classes):
    def change(report):
        report["title"] = HARM
        report["evaluated"]["images"] = report["evaluated"]["model"]["path"] = HARM
        report["evaluated"]["notes"] = [HARM]
        report["evaluated"]["skipped"][0]["names"] = [HARM]
        for name in ("worst", "best", "label_errors"):
            for image in report["images"][name]:
                image["file_name"] = HARM
                for each in [*image["objects"], *image["detections"]]:
                    each["reason"] = HARM

    names = [f"{HARM}{number}" for number in range(classes)]
    opened = visit(write_page(tmp_path, names, change))
    page = opened.page
    assert page.title() == HARM
    assert page.locator("h1").inner_text() == HARM
    assert page.locator("#classes tbody th").first.inner_text() in names
    page.locator("#curves").get_by_role("combobox", name="Class").select_option(index=1)
    page.locator("#confusion rect.cell").first.hover()
    page.locator("#worst .photo").first.click()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert opened.complaints == []
    assert [url for url in opened.requests if "nothing" in url] == []


def test_the_policy_of_the_page_lets_no_script_reach_a_network(address, visit):
    opened = visit(address)
    for attempt in ("fetch('http://localhost:9/x')", "import('http://localhost:9/x.js')"):
        assert opened.page.evaluate(f"{attempt}.then(() => 'reached', () => 'refused')") == "refused"
    opened.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<b id=b onclick=\"document.title=1\">b</b>')"
    )
    opened.page.evaluate("document.getElementById('b').click()")
    assert opened.page.title() == "runs/nuts on val"
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)


def test_a_report_without_masks_speed_objects_or_intervals_is_shown(tmp_path, visit):
    def change(report):
        report["kinds"], report["main"] = ["box"], "box"
        box = report["measurements"]["box"]
        report["measurements"] = {"box": box}
        report["ceiling"] = report["mask_quality"] = report["speed"] = None
        report["evaluated"]["model"] = report["evaluated"]["images"] = None
        report["evaluated"]["detections"] = report["evaluated"]["annotations"]
        report["evaluated"]["skipped"] = report["evaluated"]["notes"] = []
        report["images"] |= {"kind": "box", "worst": [], "best": [], "label_errors": []}
        nothing = {"value": None, "low": None, "high": None}
        box["numbers"] = dict.fromkeys(box["numbers"], nothing)
        for row in box["by_class"]:
            row |= dict.fromkeys(("AP50", "AP75", "recall", "threshold", "f1", "precision_at", "recall_at"))
            row |= {"objects": 0, "AP": nothing}
        box["curves"] |= {"classes": [], "mean": []}
        box["thresholds"] = {"recommended": None, "wishes": [], "points": []}
        box["confusion"] = [{"iou": 0.5, "threshold": 0.0, "cells": []}]
        box["errors"]["value"] = None
        for row in box["errors"]["rows"]:
            row["points"] = None

    opened = visit(write_page(tmp_path, change=change))
    page = opened.page
    assert opened.complaints == []
    assert page.eval_on_selector_all("main section", "all => all.map(each => each.id)") == [
        each for each in SECTIONS if each not in ("masks", "speed")
    ]
    assert page.locator(".bar .choice").count() == 0
    assert "NaN" not in page.inner_text("body")
    assert "undefined" not in page.inner_text("body")


def test_the_page_is_printed_with_every_photo_and_no_control(large, visit, tmp_path):
    opened = visit(large, width=794)  # A4 at 96 pixels an inch
    page = opened.page
    page.emulate_media(media="print")
    assert page.locator(".controls:visible, .bar:visible, .readout:visible").count() == 0
    assert page.locator(".photo:visible").count() == 2 * 8
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") >= 4
    assert opened.complaints == []


def test_the_page_of_a_set_with_known_mistakes_shows_each_of_them(tmp_path, visit):
    plan = [
        ["right"] * 4,
        ["class", "duplicate"],
        ["background", "right"],
        ["missed", "leak", "localisation"],
    ]
    annotations, results = known_mistakes.write_set(tmp_path, plan, "known")
    for number in range(1, len(plan) + 1):
        pixels = np.full((known_mistakes.HEIGHT, known_mistakes.WIDTH, 3), 50 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.jpg")
    words = ["eval", "--detections", results, "--annotations", annotations, "--images", tmp_path]
    assert main.main([str(word) for word in [*words, "--report", tmp_path / "out"]]) == 0
    opened = visit((tmp_path / "out" / "report.html").as_uri())
    page = opened.page
    charts, all_charts, photos, all_photos = count_drawn(page)
    assert charts == all_charts
    assert photos == all_photos > 0
    names, hints = (page.locator(f"#errors .bars .{each}").all_inner_texts() for each in ("name", "hint"))
    counts = {name: int(hint.split()[0]) for name, hint in zip(names, hints, strict=True)}
    assert counts == {
        "Wrong class": 1,
        "Badly placed": 1,
        "Wrong class and badly placed": 0,
        "Found twice": 1,
        "Nothing there": 1,
        "Missed": 1,
        "Mask leaks into a neighbour": 1,
        "Mask is cut by its box": 0,
        "Mask is coarse": 0,
    }
    kinds = page.locator("#worst").get_by_role("combobox", name="Kind of error")
    for kind, name in {
        "Found twice": "2.jpg",
        "Nothing there": "3.jpg",
        "Mask leaks into a neighbour": "4.jpg",
    }.items():
        kinds.select_option(kind)
        assert page.locator("#worst .card:visible h3 bdi").all_inner_texts() == [name]
    assert opened.complaints == []
