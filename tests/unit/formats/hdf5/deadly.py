"""The service that reads files, which dies, hangs or wants too much memory for datasets whose names say so."""

import os
import signal
from typing import Any

from gradclip_cli.formats.hdf5 import answers, datasets
from gradclip_cli.formats.hdf5.serving import Service


def start() -> Service:
    """Return what answers requests, and what of it does harm to the process."""
    layout_of = datasets.layout_of

    def harmful(file: Any, name: str) -> Any:
        if name.endswith("deadly"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if name.endswith("greedy"):
            raise MemoryError
        while name.endswith("endless"):
            pass
        return layout_of(file, name)

    vars(answers)["layout_of"] = harmful
    return answers.start()
