"""The types of what the fixtures provide, and the command as a process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

GRADCLIP = [sys.executable, "-m", "gradclip_cli"]


@dataclass(frozen=True)
class Result:
    """What a run left behind: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]
"""Takes arguments of the command."""

Save = Callable[..., Path]
"""Takes the name of a dump, and its tensors as keywords."""
