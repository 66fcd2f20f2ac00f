"""Save the gradients of a training loop: every N-th step, and the last steps before the norm jumps or is not finite."""

import atexit
import os
import re
import warnings
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from gradclip_cli.torch.files import FileWriter, Step
from gradclip_cli.torch.gradients import Gradients, norm_of, ranks
from gradclip_cli.torch.seen import Seen
from gradclip_cli.torch.trainers import attach, lightning_callback
from gradclip_cli.torch.watch import SpikeWatch

if TYPE_CHECKING:
    from types import TracebackType

OnError = Literal["warn", "raise"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

_UNJUDGED = 2
"""The steps whose norms may be on their way from the device; one more, and the loop waits: it is that far ahead."""


class Capture:
    """Writes gradients of a model as dumps into a folder; call it between the backward pass and clipping.

        capture = Capture("run/", model, every=500, last=4)
        for batch in data:
            loss(model(batch)).backward()  # with a GradScaler, then scaler.unscale_(optimizer)
            capture()
            clip_grad_norm_(model.parameters(), 1.0)
            ...

    `every=N` writes the steps that N divides. `last=N` keeps copies of the last N steps on the device, and writes them where
    the norm of the newest of them is above `spike` times the median of those before, or is not finite; the `after` steps that
    follow are written, too. `spike=0` watches no norm. `include` and `exclude` are shell patterns of parameter names, `dtype`
    what gradients are saved as. With `accumulate=N` only each N-th call is a step. `metadata` goes into every file,
    `max_files` bounds how many are written.

    A gradient is never changed. What goes wrong in the loop, such as a full disk, is warned of once, and nothing more is
    written; with `on_error="raise"` it is raised by the next call. Where gradients are spread over ranks (FSDP2, tensor
    parallelism) each rank writes its own pieces, else the first rank writes for all; every rank must call it.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        model: nn.Module | Iterable[tuple[str, Tensor]],
        *,
        every: int = 0,
        last: int = 0,
        spike: float = 10.0,
        after: int = 3,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        dtype: torch.dtype | None = None,
        accumulate: int = 1,
        metadata: Mapping[str, str] | None = None,
        max_files: int | None = None,
        on_error: OnError = "warn",
    ) -> None:
        _check(every=every, last=last, spike=spike, after=after, accumulate=accumulate - 1)
        if last and not spike:
            raise ValueError("the last steps are kept for a spike; give last=0, or a spike above 0")
        if on_error not in ("warn", "raise"):
            raise ValueError(f"on_error must be 'warn' or 'raise', not {on_error!r}")
        if _URL.match(os.fspath(folder)):
            raise ValueError(f"folder must be one of this machine, not {os.fspath(folder)}; copy its files to a store")
        self.folder = Path(folder)
        self._gradients = Gradients(model, include, exclude, dtype)
        self._every, self._last, self._after, self._accumulate = every, last, after, accumulate
        self._metadata, self._max_files, self._on_error = dict(metadata or {}), max_files, on_error
        self._watch = SpikeWatch(spike) if spike else None
        self._seen: deque[Seen] = deque()  # the last judged steps, and then those that are not judged yet
        self._unjudged = self._calls = self._put = 0
        self._until = -1  # the last call whose step is written because of a spike before it
        self._reason = ""
        self._writer: FileWriter | None = None
        self._error: Exception | None = None
        self._in_pieces = False  # whether other ranks wait for this one wherever a norm is taken
        self._pid = os.getpid()
        atexit.register(self.close)

    @property
    def files(self) -> list[Path]:
        """The files that are written so far."""
        return list(self._writer.files) if self._writer is not None else []

    def __call__(self, step: int | None = None, *, loss_scale: float | None = None) -> None:
        """Look at the gradients as they are now; without `step`, steps count from 0.

        `loss_scale` says that they are still multiplied by it, which the file then says, too.
        """
        self._report()
        call, self._calls = divmod(self._calls, self._accumulate), self._calls + 1
        stopped = self._error is not None and not self._in_pieces
        if stopped or os.getpid() != self._pid or call[1] != self._accumulate - 1:
            return
        try:
            with torch.no_grad():
                self._look(call[0], call[0] if step is None else step, loss_scale)
        except torch.OutOfMemoryError:
            self._seen.clear()
            self._unjudged = self._last = 0
            self._warn("there is no memory for copies of the last steps; only every N-th is written from now on")
        except Warning:  # a caller who makes errors of warnings wants them here
            raise
        except Exception as error:  # noqa: BLE001 - training must go on, whatever it is
            self._fail(error)

    def close(self) -> None:
        """Judge the last steps, and wait until everything is written."""
        atexit.unregister(self.close)
        if os.getpid() != self._pid:
            return
        try:
            self._judge(wait=True)
        except Exception as error:  # noqa: BLE001 - as in the loop
            self._fail(error)
        if self._writer is not None:
            self._writer.close()
        self._report()

    def __enter__(self) -> "Capture":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()

    @staticmethod
    def lightning(folder: str | os.PathLike[str], **options: Any) -> Any:
        """Return a callback for Lightning's Trainer; options are those of `Capture`."""
        return lightning_callback(lambda model: Capture(folder, model, **options))

    @staticmethod
    def attach(trainer: Any, folder: str | os.PathLike[str], **options: Any) -> "Capture":
        """Capture before a Hugging Face Trainer clips; options are those of `Capture`."""
        found: Capture = attach(trainer, lambda model: Capture(folder, model, **options))
        return found

    def _look(self, call: int, step: int, loss_scale: float | None) -> None:
        """Take a step: judge those before it, and write or keep it."""
        if self._error is not None:
            norm_of(self._gradients.now())  # the norm is that of all ranks, which would wait for this one for ever
            return
        self._judge()
        wanted = self._every > 0 and step % self._every == 0
        due = call <= self._until
        if wanted:
            self._gradients.refresh()
        if not (wanted or due or self._last or self._watch):
            return
        grads = self._gradients.now()
        if grads.device is None:
            raise ValueError("no parameter has a gradient; call it after the backward pass, before zero_grad()")
        self._in_pieces = grads.in_pieces and self._watch is not None
        norm = norm_of(grads) if self._watch is not None else None
        mine = grads.in_pieces or ranks()["rank"] == 0
        tensors = self._gradients.copies(grads) if (wanted or due or self._last) and mine else {}
        seen = Seen.of(call, step, norm, grads, tensors, loss_scale)
        if wanted or due:
            self._write(seen, "every" if wanted else self._reason)
            seen = seen._replace(tensors={})  # written already
        if self._watch is not None:
            self._seen.append(seen)
            self._unjudged += 1

    def _judge(self, *, wait: bool = False) -> None:
        """Judge the norms that have arrived; write the steps kept where one stands out, and drop those that are too old."""
        # Ranks that write pieces judge a step in the same call, whenever its norm arrives, so that they write the same steps.
        early = not self._in_pieces
        while self._unjudged and (
            wait or self._unjudged > _UNJUDGED or (early and self._seen[-self._unjudged].arrived)
        ):
            one = self._seen[-self._unjudged]
            if one.ready is not None:
                one.ready.synchronize()
            self._unjudged -= 1
            self._forget(self._last)
            reason = self._watch.judge(float(one.norm) / one.scale) if self._watch and one.norm is not None else None
            if reason is not None:
                self._reason, self._until = reason, one.call + self._after
                self._flush()
        self._forget(max(0, self._last - 1))

    def _forget(self, kept: int) -> None:
        """Drop all but some of the steps that were judged."""
        while len(self._seen) - self._unjudged > kept:
            self._seen.popleft()

    def _flush(self) -> None:
        """Write the steps that are kept, and those that came since."""
        for k, one in enumerate(self._seen):
            if one.tensors and one.call <= self._until:
                self._write(one, self._reason)
                self._seen[k] = one._replace(tensors={})

    def _write(self, seen: Seen, reason: str) -> None:
        if not seen.tensors:
            return
        if self._max_files is not None and self._put >= self._max_files:
            if self._put == self._max_files:
                self._put += 1
                self._warn(f"{self._max_files} files are written, and max_files allows no more")
            return
        self._put += 1
        if self._writer is None:
            self._writer = FileWriter(self.folder, self._last)
        own = ranks()
        rank = f".rank_{own['rank']:05}" if seen.in_pieces and own["world"] > 1 else ""
        layout = {"layout": "shards" if rank else "whole", **{key: str(value) for key, value in own.items()}}
        facts = {"gradclip": "capture/1", "framework": f"torch {torch.__version__}", "step": str(seen.step), **layout}
        metadata = {
            "format": "pt",
            **self._metadata,
            **facts,
            **seen.facts,
            "reason": reason,
            "every": str(self._every),
        }
        self._writer.put(Step(f"step_{seen.step:08}{rank}.safetensors", seen.tensors, metadata, seen.ready))

    def _report(self) -> None:
        """Take the error of the thread that writes."""
        if self._writer is not None and self._writer.error is not None:
            self._fail(self._writer.error)

    def _fail(self, error: Exception) -> None:
        """Write nothing more; say so once, or raise the error each time."""
        first, self._error = self._error is None, self._error or error
        if self._on_error == "raise":
            raise RuntimeError(f"capture: {error}") from error
        if first:
            self._warn(f"{type(error).__name__}: {error}; nothing more is written")

    def _warn(self, message: str) -> None:
        warnings.warn(f"capture: {message}", stacklevel=2)


def _check(**numbers: float) -> None:
    """Raise ValueError for a negative number."""
    for name, number in numbers.items():
        if number < 0:
            raise ValueError(f"{name} must not be so small")
