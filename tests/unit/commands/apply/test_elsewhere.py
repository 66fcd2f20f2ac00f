"""Outputs that workers send are shown when all are there; what a lost worker had is sent again, as long as nothing is in place."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("obstore")

from support.official import save
from support.servers.objects import Objects
from support.servers.surroundings import hurried_server

import gradclip_cli
from gradclip_cli.commands.apply import elsewhere
from gradclip_cli.engine.executors import cluster, dask, held_uploads
from gradclip_cli.engine.executors.held_uploads import HeldOutputs, Keep, Message, Show
from gradclip_cli.errors import InputError, OutputError
from unit.engine.executors.made import Scheduler

STEPS = 3


class Losing(Scheduler):
    """A scheduler that hears no answer to some messages, since the workers are lost, with all that they hold."""

    def __init__(self, held: HeldOutputs) -> None:
        super().__init__("one", "two")
        self.told, self._held = list[Message](), held
        self.loses: Callable[[Message], bool] = lambda message: False

    def tell(self, message: Message, only: Collection[str] | None) -> Mapping[str, Any]:
        """Tell workers, or lose them."""
        self.told.append(message)
        if self.loses(message):
            self._held.drop()
            return {}
        return super().tell(message, only)


def ends() -> bool:
    """Say what Dask says of a scheduler that has ended."""
    raise InputError("the scheduler tcp://fake:8786 has ended")


@pytest.fixture
def server() -> Iterator[Objects]:
    """A server with a bucket, in which no part is left in the end."""
    with hurried_server() as found:
        found.of["bkt/other"] = b""
        yield found
        assert found.uploads == {}


@pytest.fixture
def scheduler(server: Objects, monkeypatch: pytest.MonkeyPatch) -> Losing:
    """A scheduler whose workers are this process, which holds outputs itself."""
    held = HeldOutputs()
    found = Losing(held)
    monkeypatch.setattr(dask, "connect", lambda given: found)
    monkeypatch.setattr(cluster, "LEAST_MAP", 1)
    monkeypatch.setattr(held_uploads._holder, "ask", lambda message, fd=-1, starts=False: held.answer(message, fd))
    return found


def apply(folder: Path, scheduler: str | None = "tcp://fake:1") -> Any:
    """Clip a run into the bucket."""
    for step in range(STEPS):
        save(folder, "npz", {"w": np.random.default_rng(step).normal(size=(9, 99))}, f"step_{step}")
    out = f"s3://bkt/{'here' if scheduler is None else 'out'}"
    return gradclip_cli.apply(folder, out, threshold=1.0, scheduler=scheduler)


def outputs(server: Objects, folder: str = "out") -> dict[str, bytes]:
    """The outputs that can be seen, by their names."""
    start = f"bkt/{folder}/"
    return {name.removeprefix(start): data for name, data in server.of.items() if name.startswith(start)}


def test_outputs(server: Objects, scheduler: Losing, tmp_path: Path) -> None:
    """They are those of one machine, and shown in their order after a look whether all are there."""
    here, there = apply(tmp_path, None), apply(tmp_path)
    assert outputs(server) == outputs(server, "here")
    assert len(outputs(server)) == STEPS
    assert (there.files_written, there.bytes_written) == (here.files_written, here.bytes_written)
    assert [type(one).__name__ for one in scheduler.told] == ["Keep", *["Show"] * STEPS, "Drop"]
    assert [one.token[1] for one in scheduler.told if isinstance(one, Show)] == [0, 1, 2]


def test_lost_before_anything_is_in_place(server: Objects, scheduler: Losing, tmp_path: Path) -> None:
    """What lost workers had is sent again, a few times; then it is an error, and nothing is seen."""
    scheduler.loses = lambda message: isinstance(message, Keep) and len(scheduler.told) == 1
    apply(tmp_path)
    assert len(scheduler.sent) > 2 * STEPS
    assert len(outputs(server)) == STEPS
    for name in outputs(server):
        del server.of[f"bkt/out/{name}"]
    scheduler.loses = lambda message: isinstance(message, Keep)
    with pytest.raises(
        OutputError, match=r"step_\d\.npz: 4 workers were lost after they had sent it; look at their logs"
    ):
        apply(tmp_path)
    assert outputs(server) == {}


def test_lost_while_they_are_shown(
    server: Objects, scheduler: Losing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what is in place, and what may be; where the worker had dropped it, that it is not."""
    scheduler.loses = lambda message: isinstance(message, Show) and message.token[1] == 1
    with pytest.raises(
        OutputError, match=r"step_1\.npz: worker .* was lost while it put it in place.*; 1 of 3 outputs"
    ):
        apply(tmp_path)
    assert list(outputs(server)) == ["step_0.npz"]
    del server.of["bkt/out/step_0.npz"]
    scheduler.loses = lambda message: isinstance(message, Show) and ends()
    with pytest.raises(OutputError, match=r"step_0\.npz: the scheduler ended while worker .* put it in place"):
        apply(tmp_path)
    scheduler.loses = lambda message: False
    real = elsewhere.Elsewhere.settle

    def settle(self: elsewhere.Elsewhere) -> None:
        real(self)
        scheduler._held.drop()

    monkeypatch.setattr(elsewhere.Elsewhere, "settle", settle)
    with pytest.raises(OutputError, match=r"has dropped it before it was put in place; .* --overwrite; 0 of 3"):
        apply(tmp_path)
    assert outputs(server) == {}
