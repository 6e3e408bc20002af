"""`python -m official_yolact`, the same as `yolact`."""

from __future__ import annotations

import sys

from official_yolact.cli import main

if __name__ == "__main__":
    sys.exit(main.main())
