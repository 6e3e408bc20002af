"""A window that shows the pictures while they are made: for `--show` alone."""

from __future__ import annotations

from typing import Any

from official_yolact.serving import shots
from official_yolact.serving.sinks import sink
from official_yolact_runtime import detections as detections_lib


class Window(sink.Sink):
    """Shows each picture with its instances; closing the window ends the reading, as Ctrl-C does."""

    def __init__(self) -> None:
        """Open the window.

        Raises:
          ValueError: there is no display, or Python has no tkinter.
        """
        try:
            import tkinter

            self._root: Any = tkinter.Tk()
        except Exception as error:  # ImportError, TclError: also where tkinter itself is missing
            raise ValueError(f"--show: no window can be opened here ({error}): leave it out") from error
        self._root.title("yolact predict")
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self._label: Any = tkinter.Label(self._root)
        self._label.pack()
        self._is_open = True

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:  # noqa: ARG002  as every sink
        """Show a picture."""
        from PIL import Image
        from PIL import ImageTk

        if not self._is_open:
            raise KeyboardInterrupt
        # Tk shows a picture only as long as somebody holds it.
        self._picture = ImageTk.PhotoImage(Image.fromarray(found.draw()))
        self._label.configure(image=self._picture)
        self._root.update()

    def finish(self) -> None:
        """Close the window."""
        self._close()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._root.destroy()
