"""Run the command with small work done by worker processes: python -m support.by_processes forked|spawned JOBS ARGUMENTS."""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported: its threads would keep us from forking

from gradclip_cli import tensors
from gradclip_cli.engine import choice, measure, processes


def by_processes(jobs: int, forked: bool) -> None:
    """Let processes do everything that can be sent to them, in small pieces."""
    choice.available = lambda: jobs
    choice.LEAST_JOBS, choice.LEAST_BYTES, choice.LEAST_MAP = 2, 1, 1
    measure._LEAST_EACH = 0
    tensors.PIECE_BYTES = 1 << 16
    if not forked:
        processes._may_fork = lambda: False


def main() -> None:
    """Run the command."""
    way, jobs = sys.argv[1:3]
    del sys.argv[1:3]
    by_processes(int(jobs), way == "forked")
    from gradclip_cli.__main__ import main as run

    run()


if __name__ == "__main__":
    main()
