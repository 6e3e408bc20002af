"""A small program beside a training: it says why the training has ended, where that could say nothing itself.

A fatal error of TensorFlow's own code ends the process from within, and its message is in the file of the
run alone. This program reads lines from the training: the byte of a file from which on the training writes
there, and `end` when the training ends by itself. It imports nothing of the package, so that it starts in
milliseconds.
"""

import re
import sys

_OWN = re.compile(r"^(=====|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ")
_MOST_BYTES = 2**16
_MOST_LINES = 40


def main() -> None:
    """Wait for the end of the training."""
    start, path = 0, ""
    for line in sys.stdin:
        if line == "end\n":
            return
        number, _, path = line.rstrip("\n").partition(" ")
        start = int(number)
    print(f"\nyolact: ended from outside or by a fatal error. Its messages are in {path}", file=sys.stderr)
    print(*find_last_words(path, start), sep="\n", file=sys.stderr)


def find_last_words(path: str, start: int) -> list[str]:
    """Find the lines that follow the last message of the training's Python code.

    Args:
      path: file with its messages.
      start: byte at which they begin.

    Returns:
      The first 40 of them at most.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(start, size - _MOST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    own = [index for index, line in enumerate(lines) if _OWN.match(line)]
    return lines[own[-1] + 1 if own else 0 :][:_MOST_LINES]


if __name__ == "__main__":
    main()
