from official_yolact.evaluation import table


def test_numbers_are_percent_and_missing_ones_dashes():
    text = table.format_table({"box_AP": 0.5046, "box_AP50": 1.0, "box_APs": -1.0, "mask_AP": 0.0})
    heading, box, mask = (line.split() for line in text.splitlines())
    assert heading[:4] == ["AP", "AP50", "AP75", "APs"]
    assert box[:5] == ["box", "50.5", "100.0", "-", "-"]
    assert mask[:2] == ["mask", "0.0"]


def test_a_kind_that_was_not_measured_has_no_line():
    assert len(table.format_table({"mask_AP": 0.1}).splitlines()) == 2
