"""The reports of a run whose directory is in a bucket: written on this machine, and copied there."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf

from official_yolact.files import storage
from official_yolact.training import run_log
from official_yolact.training.reports import results_table


class Mirror:
    """A local folder whose files are copied to an address when they have changed.

    In a bucket no file can be appended to or locked, and the writers of PNG files know no bucket.

    Attributes:
      folder: the local one, with the table as it is at the address.
    """

    def __init__(self, address: str) -> None:
        """Copy the table and the messages of an earlier process into a new local folder.

        Args:
          address: of the run directory, such as `gs://bucket/run`.
        """
        self.folder = storage.make_temporary_folder()
        self._address = address
        self._copied: dict[str, int] = {}
        for name in (results_table.FILE_NAME, run_log.FILE_NAME):
            there = f"{address.rstrip('/')}/{name}"
            if tf.io.gfile.exists(there):
                tf.io.gfile.copy(there, os.path.join(self.folder, name))
        run_log.attach(self.folder)

    def copy(self, logs: dict[str, Any]) -> None:
        """Copy what has changed; an action of the controller, which leaves the logs as they are."""
        del logs
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                modified = os.stat(path).st_mtime_ns
                if self._copied.get(path) != modified:
                    target = os.path.join(self._address, os.path.relpath(path, self.folder))
                    tf.io.gfile.makedirs(os.path.dirname(target))
                    tf.io.gfile.copy(path, target, overwrite=True)
                    self._copied[path] = modified
