"""How the demo looks: plain words for people, narrow enough for any terminal, colour only where there is one."""

import os
import shutil
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

WIDEST = 100
_INDENT = "   "
_BOLD, _DIM, _RED, _GREEN, _CYAN = "1", "2", "31", "32", "36"


@dataclass(slots=True)
class Screen:
    """Writes to a terminal, or to whatever stands in its place."""

    out: TextIO
    width: int = WIDEST
    live: bool = False  # a line can be taken back
    colour: bool = False
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, out: TextIO, environ: Mapping[str, str] = os.environ) -> "Screen":
        """As wide as the terminal, within reason."""
        terminal = out.isatty()
        width = min(WIDEST, max(60, shutil.get_terminal_size((WIDEST, 24)).columns)) if terminal else WIDEST
        live = terminal and environ.get("TERM") != "dumb"
        return cls(out, width, live, live and not environ.get("NO_COLOR"))

    def line(self, text: str) -> None:
        """A line to be copied: whole, however long it is."""
        self._line(_INDENT * 2 + text)

    def heading(self, text: str) -> None:
        """What comes next."""
        self._line()
        self._line(self._in(text, _BOLD))

    def say(self, text: str) -> None:
        """A paragraph."""
        for line in textwrap.wrap(text, self.width - len(_INDENT), break_long_words=False, break_on_hyphens=False):
            self._line(_INDENT + line)

    def command(self, line: str) -> None:
        """What one could type oneself."""
        lines = textwrap.wrap(line, self.width - len(_INDENT) - 4, break_long_words=False, break_on_hyphens=False)
        for number, part in enumerate(lines):
            start = "$ " if number == 0 else "    "
            end = "" if number == len(lines) - 1 else " \\"
            self._line(_INDENT + self._in(start + part + end, _CYAN))

    def output(self, text: str) -> None:
        """What the command said. A line that is too long for the terminal is wrapped, not cut."""
        for line in text.rstrip().splitlines():
            for part in textwrap.wrap(line, self.width - 2 * len(_INDENT), drop_whitespace=False) or [""]:
                self._line((_INDENT * 2 + self._in(part.rstrip(), _DIM)).rstrip())

    def table(self, rows: Iterable[tuple[str, ...]]) -> None:
        """Columns that stand below each other."""
        listed = list(rows)
        widths = [max(len(row[column]) for row in listed) for column in range(len(listed[0]))]
        for row in listed:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._line((_INDENT * 2 + "  ".join(cells)).rstrip())

    def done(self, text: str, seconds: float | None = None) -> None:
        """It came true, after so long."""
        self._marked("✔", _GREEN, text, seconds)

    def failed(self, text: str) -> None:
        """It did not."""
        self._marked("✘", _RED, text, None)

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Something that takes a while: on a terminal it is announced, everywhere it is told when done."""
        started = self.clock()
        if self.live:
            self.out.write(f"{_INDENT}… {text}"[: self.width - 1])
            self.out.flush()
        try:
            yield
        finally:
            if self.live:
                self.out.write("\r\x1b[K")
        self.done(text, self.clock() - started)

    def _marked(self, mark: str, colour: str, text: str, seconds: float | None) -> None:
        """The mark, the text, and the time at the right edge."""
        taken = "" if seconds is None else f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
        lines = textwrap.wrap(text, self.width - len(_INDENT) - 12, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines):
            start = f"{_INDENT}{self._in(mark, colour) if number == 0 else ' '} "
            last = number == len(lines) - 1
            gap = " " * (self.width - len(_INDENT) - 2 - len(line) - len(taken)) if last and taken else ""
            self._line(start + line + gap + (self._in(taken, _DIM) if last else ""))

    def _in(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour and text else text

    def _line(self, text: str = "") -> None:
        self.out.write(f"{text}\n")
        self.out.flush()
