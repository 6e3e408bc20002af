"""Which Keras TensorFlow brings along."""

from __future__ import annotations

import os


def leave_out_keras_3() -> None:
    """Have TensorFlow look for tf_keras alone, which the library needs anyway.

    TensorFlow looks for Keras 3 by importing it, with scikit-learn and more, which is a fifth of the time in
    which `yolact train` starts. Call this before TensorFlow is imported, and in programs only: the Keras that
    TensorFlow names its own changes for the whole process. A choice that was made already stays.
    """
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
