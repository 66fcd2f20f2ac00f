"""Mutant after mutant, in children that may crash or hang without ending the search."""

import faulthandler
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from fuzz.mutations import SEALED, mutant
from fuzz.seeds import seeds
from fuzz.target import wrong_with

BATCH = 200
CPU_SECONDS, SECONDS = 5, 90
"""How long one mutant may take; the first counts where the machine is busy with other things."""
ADDRESS_SPACE = 8 << 30

Enough = Callable[[int], bool]
"""Tells from how many mutants there were whether that will do."""


class Finding(NamedTuple):
    """A mutant that made the program do what it must never do."""

    format: str
    number: int
    what: str

    def save(self, folder: Path) -> Path:
        """Keep the mutant and what came of it."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.format}-{self.number}"
        path.write_bytes(mutant(self.format, self.number))
        path.with_suffix(".txt").write_text(self.what, encoding="utf-8")
        return path


def search(format: str, first: int, enough: Enough) -> Iterator[Finding]:
    """Yield what is found among the mutants from `first` on."""
    number = first
    seeds(format.removesuffix(SEALED))
    while not enough(number - first):
        ended, findings, reason = _batch(format, number, lambda here: enough(here - first))
        yield from (Finding(format, at, what) for at, what in findings)
        if reason is not None:
            yield Finding(format, ended, reason)
        number = ended + 1


def _batch(format: str, first: int, enough: Enough) -> tuple[int, list[tuple[int, str]], str | None]:
    """Try some mutants in a child; return the last one's number, what was found, and what ended the child too early."""
    # Of the parent, since the child may die without a word.
    with tempfile.TemporaryDirectory(prefix="gradclip-fuzz-", dir=_memory()) as folder:
        return _batch_in(Path(folder), format, first, enough)


def _batch_in(folder: Path, format: str, first: int, enough: Enough) -> tuple[int, list[tuple[int, str]], str | None]:
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        _live(folder, format, first, enough, sink)
    os.close(sink)
    with os.fdopen(source, encoding="utf-8") as lines:
        told = [line.rstrip("\n").split(" ", 2) for line in lines]
    _, status = os.waitpid(child, 0)
    findings = [(int(number), what.replace("\0", "\n")) for word, number, what in told if word == "found"]
    last = max((int(number) for _, number, _ in told), default=first)
    ended = os.waitstatus_to_exitcode(status)
    return last, findings, None if ended == 0 else _reason(ended)


def _live(folder: Path, format: str, first: int, enough: Enough, sink: int) -> None:
    """Try mutants until it is enough, and tell of each before it is tried; never returns."""
    code = 1
    try:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in range(first, first + BATCH):
            _tell(sink, "try", number, "")
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # what it brings, SIGPROF, ends the process
            signal.alarm(SECONDS)
            found = wrong_with(format.removesuffix(SEALED), mutant(format, number), number, folder)
            if found is not None:
                _tell(sink, "found", number, found)
            if found is not None or enough(number + 1):  # what was found may have left its traces
                break
        code = 0
    finally:
        os._exit(code)


def _tell(sink: int, word: str, number: int, what: str) -> None:
    os.write(sink, f"{word} {number} {what.replace(chr(10), chr(0))}\n".encode(errors="backslashreplace"))


def _reason(code: int) -> str:
    if code == -signal.SIGPROF:
        return f"more than {CPU_SECONDS} s of work"
    if code == -signal.SIGALRM:
        return f"nothing for {SECONDS} s"
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _memory() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def for_minutes(minutes: float) -> Enough:
    """Make what says enough after some time."""
    end = time.monotonic() + 60 * minutes
    return lambda _: time.monotonic() > end


def for_mutants(count: int) -> Enough:
    """Make what says enough after some mutants."""
    return lambda done: done >= count
