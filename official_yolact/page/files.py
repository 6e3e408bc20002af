"""Files of the two pages, that of an export and that of a server: what both have, and what one has alone."""

from __future__ import annotations

import os

_SHARED = os.path.join(os.path.dirname(__file__), "shared")


def read(folder: str) -> dict[str, bytes]:
    """Read the files of a page.

    Args:
      folder: of those that it has alone.

    Returns:
      The bytes of each by its name, those that both pages have too.
    """
    found = {}
    for place in (_SHARED, folder):
        for entry in os.scandir(place):
            if entry.is_file():
                with open(entry.path, "rb") as file:
                    found[entry.name] = file.read()
    return found
