"""Run the command with small work done by worker processes: python -m support.by_processes forked|spawned JOBS ARGUMENTS."""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported: its threads would keep us from forking

import pytest

from gradclip_cli import tensors
from gradclip_cli.engine import measure
from gradclip_cli.engine.executors import choice, processes


def by_processes(jobs: int, forked: bool) -> None:
    """Let processes do everything that can be sent to them, in small pieces."""
    patch = pytest.MonkeyPatch()  # never undone: it is for this process
    patch.setattr(choice, "available", lambda: jobs)
    for name, least in (("LEAST_JOBS", 2), ("LEAST_BYTES", 1), ("LEAST_MAP", 1)):
        patch.setattr(choice, name, least)
    patch.setattr(measure, "_LEAST_EACH", 0)
    patch.setattr(tensors, "PIECE_BYTES", 1 << 16)
    if not forked:
        patch.setattr(processes, "_may_fork", lambda: False)


def main() -> None:
    """Run the command."""
    way, jobs = sys.argv[1:3]
    del sys.argv[1:3]
    by_processes(int(jobs), way == "forked")
    from gradclip_cli.__main__ import main as run

    run()


if __name__ == "__main__":
    main()
