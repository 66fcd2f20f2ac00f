"""A worker does an order for a client like itself, by the paths of that client, and answers with results or an error."""

import os
import pickle
from pathlib import Path

from gradclip_cli.engine.executors.canary import identity
from gradclip_cli.engine.executors.orders import Order, answered
from gradclip_cli.engine.executors.serving import Reply
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.storage.random_access import InputFile
from gradclip_cli.storage.remote.settings import Settings, current
from unit.engine.executors import errands


def length(path: str) -> int:
    """Return the size of an input."""
    with InputFile(path) as file:
        return file.size


_USUAL = Settings()


def connections(_: object) -> tuple[int, str]:
    """Return how a task asks for remote files."""
    return current().connections, current().place


def order(task: object, *items: object, folder: str = "/", asking: Settings = _USUAL) -> Order:
    """Return an order of this process."""
    return Order(identity((2.0,)), folder, asking, pickle.dumps(task), pickle.dumps(items))


def reply(data: bytes) -> Reply:
    """Unpack a reply."""
    return Reply(*pickle.loads(data))


def test_paths_are_those_of_the_client(tmp_path: Path) -> None:
    """A relative path begins in the folder of the client, for this order only; one that is not there is told."""
    (tmp_path / "g.npz").write_bytes(b"123")
    found = answered(order(length, "g.npz", folder=str(tmp_path)), "one")
    assert (reply(found.reply).results, found.unseen) == ([3], None)
    assert not os.path.exists("g.npz")
    found = answered(order(length, "g.npz"), "one")
    assert (reply(found.reply).results, found.unseen) == ([], "g.npz")


def test_remote_files_are_asked_for_as_the_client_says() -> None:
    """Connections and patience are those of the client, for this order only; errors name the worker."""
    found = reply(answered(order(connections, 0, asking=Settings(3)), "one").reply)
    assert found.results == [(3, "worker one")]
    assert current() == Settings()


def lacks(_: object) -> None:
    """Ask for what the environment does not have."""
    raise UsageError("s3:// needs obstore")


def test_what_a_worker_lacks() -> None:
    """What would be wrong usage on this machine, whose options are checked, names the worker that it is wrong with."""
    found = reply(answered(order(lacks, 0), "one").reply)
    assert type(found.error) is InputError
    assert str(found.error) == "s3:// needs obstore (on worker one); look at its environment"


def test_what_will_be_read_is_said_before() -> None:
    """A task that can foresee what it reads is told its items first."""
    found = reply(answered(order(errands.Foreseen().task, 1, 2), "one").reply)
    assert found.results == [[1, 2], [1, 2]]


def test_results_up_to_an_error() -> None:
    """Results come back up to the first error, with the bytes done by file, of this order only."""
    found = reply(answered(order(errands.count_bytes, 1, 2, 3), "one").reply)
    assert (found.results, found.done) == ([1, 2, 3], {"a": 4, "b": 2})
    found = reply(answered(order(errands.fail_late, 1, 21, 22), "one").reply)
    assert (found.results, found.done) == ([1], {})
    assert isinstance(found.error, InputError)
    assert (found.error.message, found.error.path, found.error.tensor) == ("the first", "a.npz", "w")


def test_another_client_is_refused() -> None:
    """An order of another version is refused before it is unpacked."""
    other = order(len)._replace(identity=identity((2.0,))._replace(version="9.9"), task=b"no pickle")
    assert "runs gradclip" in answered(other, "one").refusal
