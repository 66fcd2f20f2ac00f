"""What a hostile file is: how it is made, what is to come of it, and why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Make = Callable[[Path], Arrays | None]
"""Writes a file; returns what it holds, as it has to come out, where it is to be read."""


@dataclass(frozen=True)
class Case:
    """One file; `reason` is a sentence, `expected` is `accept`, `reject` or `either`."""

    name: str
    expected: str
    reason: str
    make: Make


class Collection:
    """The cases of one format, in the order in which they were added."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix
        self.cases: list[Case] = []

    def add(self, name: str, expected: str, reason: str, make: Make) -> None:
        """Add a case whose file is written by a function."""
        assert expected in ("accept", "reject", "either")
        assert reason.endswith(".")
        assert name not in {case.name for case in self.cases}
        self.cases.append(Case(name, expected, reason, make))

    def reject(self, name: str, data: bytes, reason: str) -> None:
        """Add bytes that are no dump."""
        self.add(name, "reject", reason, lambda path: _write(path, data, None))

    def accept(self, name: str, data: bytes, arrays: Arrays, reason: str) -> None:
        """Add bytes that are a dump of these arrays."""
        self.add(name, "accept", reason, lambda path: _write(path, data, arrays))

    def either(self, name: str, data: bytes, arrays: Arrays, reason: str) -> None:
        """Add bytes that are refused, or read as these arrays and nothing else."""
        self.add(name, "either", reason, lambda path: _write(path, data, arrays))


def _write(path: Path, data: bytes, arrays: Arrays | None) -> Arrays | None:
    path.write_bytes(data)
    return arrays
