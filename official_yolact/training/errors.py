"""Errors that end a training though its configuration and data could be used, and the exit code."""

EXIT_CODE = 2
"""Of every command that an error ends."""

DEBUG = "YOLACT_DEBUG"
"""Environment variable: errors are raised with their traceback, and a training splits no messages."""


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why, and what helps."""
