"""A bar that shows on a terminal how far a command has come."""

from __future__ import annotations

import shutil
from typing import Any

BAR = 30


class Progress:
    """
    A line at the bottom of a terminal; nothing where `stream` is none. What a command
    prints in the meantime goes elsewhere, or after `clear()`.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.is_shown = stream.isatty()
        self.drawn = ""

    def show(self, label: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps are done, of what `label` says."""
        if not self.is_shown:
            return
        share = min(done / total, 1) if total else 1
        bar = ("#" * int(share * BAR)).ljust(BAR, ".")
        width = shutil.get_terminal_size().columns - 1
        line = f"[{bar}] {share:4.0%} {label}"[:width]
        if line != self.drawn:
            self.clear()
            self.write(line)
            self.drawn = line

    def clear(self) -> None:
        """Take the line away, for others to be printed."""
        if self.drawn:
            self.write(f"\r{' ' * len(self.drawn)}\r")
            self.drawn = ""

    def write(self, text: str) -> None:
        # Not in the style of errors.
        self.stream.write(text, str, ending="")
        self.stream.flush()
