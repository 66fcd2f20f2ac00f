"""Write captured steps as safetensors in a thread of their own: each beside its place, and then renamed."""

import os
import queue
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

_QUEUED = 2
"""The least number of steps that may wait to be written; one more makes training wait."""


class Step(NamedTuple):
    """A step to be written: copies of its gradients, and when they are complete on the device (None: they are)."""

    file: str
    tensors: dict[str, Tensor]
    metadata: Mapping[str, str]
    ready: "torch.cuda.Event | None" = None


class FileWriter:
    """Writes steps one after the other; after the first `error`, what comes is dropped.

    `kept` steps, which are in memory anyway, may be queued at once.
    """

    def __init__(self, folder: Path, kept: int) -> None:
        self.files: list[Path] = []
        self.error: Exception | None = None
        self._folder = folder
        self._steps: queue.Queue[Step | None] = queue.Queue(max(_QUEUED, kept))
        self._stream: torch.cuda.Stream | None = None
        self._waited = False
        self._thread = threading.Thread(target=self._work, name="gradclip capture", daemon=True)
        self._thread.start()

    def put(self, step: Step) -> None:
        """Queue a step; wait, and say so once, where too many are waiting already."""
        try:
            self._steps.put_nowait(step)
        except queue.Full:
            if not self._waited:
                self._waited = True
                warnings.warn("capture: the disk is slower than the steps; training waits for it", stacklevel=2)
            self._steps.put(step)

    def close(self) -> None:
        """Write what is queued, and end the thread."""
        self._steps.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (step := self._steps.get()) is not None:
            if self.error is not None:
                continue
            try:
                self._write(step)
            except Exception as error:  # noqa: BLE001 - whatever it is, training goes on
                self.error = error

    def _write(self, step: Step) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path, part = self._folder / step.file, self._folder / f".{step.file}.part"
        tensors = self._on_host(step)
        try:
            # Only arrays that are contiguous are written right, which the copies are.
            save_file(tensors, part, dict(step.metadata))
            os.replace(part, path)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
        self.files.append(path)

    def _on_host(self, step: Step) -> dict[str, Tensor]:
        """Move tensors from the device in a stream of this thread, while training goes on."""
        if step.ready is None:
            return {name: tensor.cpu() for name, tensor in step.tensors.items()}
        if self._stream is None:
            self._stream = torch.cuda.Stream()
        found = {}
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(step.ready)
            for name, tensor in step.tensors.items():
                pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
                found[name] = pinned.copy_(tensor, non_blocking=True)
        self._stream.synchronize()
        return found
