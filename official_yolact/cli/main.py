"""The console script `yolact`: finds the command, runs it, and turns failures into one line."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence

import official_yolact
from official_yolact import failures
from official_yolact.cli import streams
from official_yolact.environment import keras_choice

COMMANDS = (
    "demo",
    "data",
    "train",
    "eval",
    "compare",
    "predict",
    "export",
    "serve",
    "repository",
    "benchmark",
    "reproduce",
    "weights",
    "card",
    "push",
    "import_weights",
    "config",
    "doctor",
)
"""Modules of this package; each has `add_parser(subparsers)`, and sets `run` on what it adds."""

_OVERRIDE = re.compile(r"[A-Za-z_][\w.]*=")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
      argv: arguments after the program's name; None: those of the process.

    Returns:
      Exit code: 0 done; 1 findings of a check; 2 usage, unusable input, a training that cannot go
      on, or a fault of this program; 130 interrupted. Closed or full standard streams change none.
    """
    if argv is None:  # a program of its own: its environment is nobody else's
        keras_choice.leave_out_keras_3()
    words = list(sys.argv[1:] if argv is None else argv)
    with streams.lenient():
        return _run(words)


def _run(words: list[str]) -> int:
    try:
        _refuse_nul(words)
        args = build_parser().parse_args(words)
    except SystemExit as stop:  # argparse ends the process for --help and for bad usage
        return stop.code if isinstance(stop.code, int) else 2
    except ValueError as error:
        return failures.report(error, words)
    if not getattr(args, "keeps_log", False):
        _quiet_tensorflow()
    try:
        with _log_to_stderr():
            return int(args.run(args))
    except KeyboardInterrupt:
        print("yolact: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        return failures.report(error, words)


def _refuse_nul(words: Sequence[str]) -> None:
    for word in words:
        if "\0" in word:
            raise ValueError(f"argument {word!r}: holds the character NUL, which no name of a file has")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with all commands; imports nothing heavy."""
    parser = _Parser(
        prog="yolact",
        description="Real-time instance segmentation with YOLACT.",
        epilog="`yolact COMMAND --help` says more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"yolact {official_yolact.__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for name in COMMANDS:
        importlib.import_module(f"official_yolact.cli.{name}").add_parser(subparsers)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the nearest command or option for one it does not know."""

    def _check_value(self, action: argparse.Action, value: str) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, f"unknown {value!r}{_suggest(value, known)}")

    def parse_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse, and name the nearest option for one that is not known."""
        parsed, rest = self.parse_known_args(args, namespace)
        if hasattr(parsed, "overrides"):
            # argparse reads one run of positional arguments; overrides after an option are left over.
            parsed.overrides += [word for word in rest if _OVERRIDE.match(word)]
            rest = [word for word in rest if not _OVERRIDE.match(word)]
        parser = self._chosen(parsed)
        if rest:
            options = [option for action in parser._actions for option in action.option_strings]
            parser.error(f"unknown argument {rest[0]!r}{_suggest(rest[0].partition('=')[0], options)}")
        for action in parser._actions:
            _check_text(parser.prog, action, getattr(parsed, action.dest, None))
        return parsed

    def _chosen(self, parsed: argparse.Namespace) -> argparse.ArgumentParser:
        """Find the parser of the command, to show its usage."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                chosen = action.choices.get(str(getattr(parsed, action.dest, "")))
                if isinstance(chosen, _Parser):
                    return chosen._chosen(parsed)
        return self


def _check_text(command: str, action: argparse.Action, value: object) -> None:
    """Refuse empty text where it means nothing, and a folder to write that is none.

    Raises:
      ValueError: names the argument, or the command and what it calls the argument, the value and the cure.
    """
    called = f"{command}: {action.metavar or action.dest}"
    name = action.option_strings[-1] if action.option_strings else called
    if action.default != "" and "" in (value if isinstance(value, list) else [value]):
        raise ValueError(f"{name} is empty: give {action.metavar if action.option_strings else 'its name'}")
    if isinstance(value, str) and action.dest == "output" and action.metavar == "DIR":
        at = value
        while at and not os.path.lexists(at):
            at = os.path.dirname(at)
        if at and not os.path.isdir(at):
            raise ValueError(f"{name} is {value}: {at} is no folder: name a folder to write into")


def _suggest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


def _quiet_tensorflow() -> None:
    """Keep TensorFlow's start-up lines off the terminal, unless the user has set the level."""
    # Without a GPU the CUDA library reports its absence as an error.
    has_gpu = os.path.exists("/dev/nvidiactl")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if has_gpu else "3")


@contextlib.contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Show the own warnings of the library and of its runtime as lines of this program."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("yolact: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("official_yolact", "official_yolact_runtime")]
    propagate = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, before in zip(loggers, propagate, strict=True):
            logger.removeHandler(handler)
            logger.propagate = before
