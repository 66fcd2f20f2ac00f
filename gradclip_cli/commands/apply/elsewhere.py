"""Have workers of a cluster write outputs for a store, and send them; they are seen when all outputs of the call are there.

A worker writes a whole file as this machine would, sends it, and holds what it has sent (`held_uploads`). Nothing of the
elements passes through this machine. What is held anywhere goes when the call ends, or when it is not heard of any more.
"""

import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from tempfile import gettempdir
from types import TracebackType
from typing import NamedTuple

from gradclip_cli.commands.apply.plan import Writing
from gradclip_cli.commands.apply.rewrite import FileChange, FileRewriter, Written
from gradclip_cli.engine.executors.base import Here, Telling
from gradclip_cli.engine.executors.held_uploads import LEASE, Drop, Keep, Message, Show, Token, hold
from gradclip_cli.engine.executors.orders import this_worker
from gradclip_cli.engine.executors.progress import count
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import GradclipError, InputError, OutputError
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.base import LEFT
from gradclip_cli.storage.interrupts import cleanups
from gradclip_cli.storage.locations import is_remote, remote_store
from gradclip_cli.storage.staged import Staged, failed, nameless
from gradclip_cli.storage.streams import is_of_this_process, place
from gradclip_cli.text import shortlist

_TRIES = 3
"""How often an output is sent again whose worker is lost before all of them are there."""
_PATIENCE, _SIGNALLED = 10.0, 2.0
"""Seconds for workers to hear that what they hold is to be dropped; when a signal ends the program."""


class Sent(NamedTuple):
    """What a worker has sent: the result for the file, the size of the output, and the address of the worker, which holds it."""

    written: Written
    nbytes: int
    worker: str


class SendTask(NamedTuple):
    """Writes files on a worker, and sends them."""

    how: Writing
    token: Token

    def send(self, one: FileChange) -> Sent | None:
        """Write and send a file; in the client do nothing, and return None."""
        worker, target = this_worker(), one.target
        if not worker or target is None:
            return None
        try:
            return self._sent(one, target, worker)
        except OutputError as error:
            if place(target) not in error.message:
                raise
            what = f"{error.message} (on worker {worker}, where that is {gettempdir()})"
            raise OutputError(what, path=error.path, tensor=error.tensor) from error

    def _sent(self, one: FileChange, target: str, worker: str) -> Sent:
        staged, sizes = nameless(target), list[int]()

        def complete(staged: Staged) -> None:
            try:
                sizes.append(os.fstat(staged.fd).st_size)
            except OSError as error:
                raise failed(error, target) from error
            hold(self.token, target, self.how.overwrite, staged.fd, sizes[0])

        try:
            run = Run(self.how.selection, Here(Workspace()), count)
            written = FileRewriter(self.how, run, lambda _path, _target: (staged, []), complete).rewrite(one)
        finally:
            with suppress(OSError):
                staged.close()
        return Sent(written, sizes[0], worker)


class Elsewhere:
    """The outputs of a call that workers write and send; none where the executor has no workers on other machines.

    What they hold is dropped when this ends, as a context, but for what is in place by then.
    """

    def __init__(self, how: Writing, run: Run, outputs: Outputs) -> None:
        self._how, self._run, self._outputs = how, run, outputs
        self._workers = run.workers if isinstance(run.workers, Telling) else None
        self._id, self._over = secrets.token_hex(8), threading.Event()
        self._files: dict[Token, FileChange] = {}
        self._at: dict[Token, str] = {}  # the worker that holds it

    def __enter__(self) -> "Elsewhere":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._files:
            cleanups.remove(self._drop_soon)
            self._over.set()
            left = self._drop(_PATIENCE)
            if left and isinstance(error, GradclipError):
                error.message += f"; {LEFT.format(shortlist(left))}"

    def rewrite(self, files: Iterator[FileChange]) -> Mapping[str, Written]:
        """Have files written that are worth it, and whose target is in a store; return their results by their targets.

        Raises OutputError where workers die of it or cannot write, InputError where they cannot read.
        """
        if self._workers is None:
            return {}
        wanted = (one for one in files if self._takes(one))
        self._files = {(self._id, number): one for number, one in enumerate(wanted)}
        if not self._files:
            return {}
        cleanups.append(self._drop_soon)
        threading.Thread(target=self._keep_all, name="leases", daemon=True).start()
        found = dict[str, Written]()
        for token, sent in self._sent(list(self._files)).items():
            target = str(self._files[token].target)
            found[target] = sent.written
            self._outputs.take(target, sent.nbytes, lambda token=token: self._show(token))  # type: ignore[misc]
        return found

    def settle(self) -> None:
        """Look whether workers still hold everything, and have sent again what lost ones had; nothing is in place yet.

        Raises OutputError if workers are lost again and again.
        """
        for _ in range(_TRIES):
            lost = self._lost()
            if not lost:
                return
            self._sent(lost)
        if lost := self._lost():
            what = f"{_TRIES + 1} workers were lost after they had sent it; look at their logs"
            raise OutputError(what, path=self._files[lost[0]].target)

    def _takes(self, one: FileChange) -> bool:
        here = one.target is None or not is_remote(one.target) or is_of_this_process(one.file.path)
        return not here and self._run.workers.leaves(one.nbytes)

    def _sent(self, tokens: Sequence[Token]) -> dict[Token, Sent]:
        """Have outputs written and sent, several at a time; return the results of those that could leave this process."""
        found = dict[Token, Sent]()
        with closing(self._run.workers.several(self._send, tokens)) as each:
            for token, result in zip(tokens, each, strict=True):
                if (sent := result()) is not None:
                    found[token] = sent
        return found

    def _send(self, token: Token) -> Sent | None:
        file, task = self._files[token], SendTask(self._how, token)
        try:
            (sent,) = self._run.workers.map(task.send, [file], file.nbytes)
        except InputError as error:
            if error.path is not None:
                raise
            raise OutputError(error.message, path=file.file.path) from error
        if sent is not None:
            self._at[token] = sent.worker
        return sent

    def _tell(self, message: Message, only: Sequence[str] | None) -> Mapping[str, object]:
        return self._workers.tell(message, only) if self._workers is not None else {}

    def _held(self) -> frozenset[Token]:
        """Return what workers hold, from now on for another lease."""
        at = dict(self._at)
        if not at:
            return frozenset()
        answers = self._tell(Keep(frozenset(at)), sorted(set(at.values())))
        return frozenset(
            token
            for worker, held in answers.items()
            if isinstance(held, frozenset)
            for token in held
            if at[token] == worker
        )

    def _lost(self) -> list[Token]:
        held = self._held()
        return sorted(token for token in self._at if token not in held)

    def _keep_all(self) -> None:
        """Go on asking after what workers hold; one of them that does not answer does not keep the others waiting."""
        while not self._over.wait(LEASE / 6):
            threading.Thread(target=self._keep, daemon=True).start()

    def _keep(self) -> None:
        with suppress(GradclipError):
            self._held()

    def _show(self, token: Token) -> None:
        """Have the worker make an output visible; raise OutputError if it cannot, or is lost."""
        worker, target = self._at.pop(token), str(self._files[token].target)
        unknown = "put it in place, which may be done; look, or run again with --overwrite"
        try:
            answer = self._tell(Show(token), [worker]).get(worker)
        except InputError as error:
            raise OutputError(f"the scheduler ended while worker {worker} {unknown}", path=target) from error
        if isinstance(answer, Exception):
            raise answer
        if answer is not True:
            dropped = f"worker {worker} has dropped it before it was put in place; run again with --overwrite"
            lost = f"worker {worker} was lost while it {unknown}"
            raise OutputError(lost if answer is None else dropped, path=target)
        if (store := remote_store(target)) is not None:
            store.forget()

    def _drop_soon(self) -> str | None:
        left = self._drop(_SIGNALLED)
        return LEFT.format(shortlist(left)) if left else None

    def _drop(self, seconds: float) -> list[str]:
        """Have all workers drop what they hold for this call; wait for it so long, and return what may be left in the store."""
        left = list[str]()

        def drop() -> None:
            with suppress(GradclipError):
                for found in self._tell(Drop(self._id), None).values():
                    left.extend(found if isinstance(found, list) else ())

        thread = threading.Thread(target=drop, daemon=True)
        thread.start()
        thread.join(seconds)
        return left
