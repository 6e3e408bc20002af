"""Write docs/codes.md, the page of what `yolact data check` finds, from the table in the code.

python docs/write_codes.py
"""

from __future__ import annotations

import pathlib

from official_yolact.data.checking import codes

PAGE = pathlib.Path(__file__).with_name("codes.md")
_INTRODUCTION = """\
# What `yolact data check` finds

`yolact data check` names every kind of fault by a code. An *error* is refused by `yolact data convert`, or
training learns something false from it. A *warning* loses or bends something. An *info* loses nothing.
`--fix` writes a repaired copy ([how the check works](data.md#checking)), and `--leave D03,D07` leaves what
these codes name as it is.

This page is made from `official_yolact/data/checking/codes.py` by `make pages`.
"""
_SECTIONS = {0: "The data set as a whole", 20: "Structure and ids", 40: "Files", 60: "Geometry"}
_HEAD = """
## {}

| code | severity | what | consequence | cure |
|---|---|---|---|---|
"""


def format_page() -> str:
    """Return the page: a table of codes for each section."""
    page = _INTRODUCTION
    for first, title in _SECTIONS.items():
        page += _HEAD.format(title)
        page += "".join(
            f"| {code.code} | {code.severity} | {code.title} | {code.consequence} | {code.cure} |\n"
            for code in codes.CODES.values()
            if first <= int(code.code[1:]) < first + 20
        )
    return page


if __name__ == "__main__":
    PAGE.write_text(format_page(), encoding="utf-8")
