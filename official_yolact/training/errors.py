"""Errors that end a training though its configuration and data could be used, and the exit code."""

EXIT_CODE = 2
"""Of every command that an error ends."""


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why, and what helps."""
