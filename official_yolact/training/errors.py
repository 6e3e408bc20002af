"""What ends a training though its configuration and data could be used."""


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why, and what helps."""
