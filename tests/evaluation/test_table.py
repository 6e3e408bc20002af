from official_yolact.evaluation import table


def test_numbers_are_percent_and_missing_ones_dashes():
    text = table.format_table({"box_AP": 0.5046, "box_AP50": 1.0, "box_APs": -1.0, "mask_AP": 0.0})
    heading, box, mask = (line.split() for line in text.splitlines())
    assert heading[:4] == ["AP", "AP50", "AP75", "APs"]
    assert box[:5] == ["box", "50.5", "100.0", "-", "-"]
    assert mask[:2] == ["mask", "0.0"]


def test_a_kind_that_was_not_measured_has_no_line():
    assert len(table.format_table({"mask_AP": 0.1}).splitlines()) == 2


def numbers(objects, ap, ap50=None):
    return {"objects": objects, "mask_AP": ap, "mask_AP50": ap if ap50 is None else ap50, "box_AP": 0.9}


def test_the_worst_classes_come_first_with_their_objects():
    text = table.format_classes({"fig": numbers(12, 0.5, 0.75), "date": numbers(1234, 0.125, 0.25)})
    assert text.splitlines() == [
        "class  objects  mask AP   AP50",
        "date     1,234     12.5   25.0",
        "fig         12     50.0   75.0",
    ]


def test_classes_that_learned_nothing_are_named_in_one_line_the_most_frequent_first():
    classes = {f"c{index}": numbers(index, 0.0004) for index in range(1, 9)}
    text = table.format_classes({"fig": numbers(3, 0.0006), **classes, "none": numbers(0, -1.0)})
    *_, zero, absent = text.splitlines()
    assert zero == "8 of 9 classes have mask AP 0: c8, c7, c6, c5, c4, c3, c2, c1"
    assert absent == "1 of 10 classes has no object to be measured on: none"


def test_of_many_classes_ten_are_shown_and_twenty_named():
    classes = {f"class {index}": numbers(5, 0.0 if index < 30 else 0.5) for index in range(1203)}
    lines = table.format_classes(classes).splitlines()
    assert len(lines) == 13
    assert lines[11] == "(10 of 1203 classes, those with the lowest mask AP)"
    assert lines[12].startswith("30 of 1203 classes have mask AP 0: class 0, class 1, ")
    assert lines[12].endswith(" class 19, and 10 more")


def test_names_stay_in_their_line_and_boxes_count_where_no_masks_were_measured():
    text = table.format_classes({"a\nb\x1b[31m": {"objects": 1, "box_AP": 1.0, "box_AP50": 1.0}})
    assert text.splitlines() == [
        "class        objects   box AP   AP50",
        "a b\\x1b[31m        1    100.0  100.0",
    ]
    assert table.format_classes({}) == ""
