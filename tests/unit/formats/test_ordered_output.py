"""Tensors that are packed in any order are placed in the order of their names."""

import threading
from functools import partial
from itertools import permutations
from pathlib import Path

import pytest

from gradclip_cli.formats.ordered_output import OrderedOutput, spool


@pytest.mark.parametrize("order", [*permutations("abcd")], ids="".join)
def test_every_order_makes_the_same(order: tuple[str, ...]) -> None:
    """Each is placed once, after all before it, as soon as that can be."""
    placed: list[str] = []
    output = OrderedOutput("abcd")
    for k, name in enumerate(order, 1):
        output.submit(name, partial(placed.append, name))
        ready = set(order[:k])
        assert placed == [name for at, name in enumerate("abcd") if set("abcd"[: at + 1]) <= ready]
    assert placed == [*"abcd"]


def test_threads_take_their_turns_one_at_a_time() -> None:
    """However many threads are done at once, no two place at the same time."""
    names = [f"t{k:03}" for k in range(200)]
    placed: list[str] = []
    output, held = OrderedOutput(names), threading.Lock()

    def place(name: str) -> None:
        assert held.acquire(blocking=False)
        placed.append(name)
        held.release()

    def work(some: list[str]) -> None:
        for name in some:
            output.submit(name, partial(place, name))

    threads = [threading.Thread(target=work, args=(names[k::4],)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert placed == names


def test_what_waits_lies_beside_the_output(tmp_path: Path) -> None:
    """What is larger than a megabyte goes to the disk of the output, under no name, and is gone in the end."""
    output = OrderedOutput(["a"])
    held = output.spool(str(tmp_path / "out.npz"))
    held.write(bytes(2 << 20))
    assert [*tmp_path.iterdir()] == []
    output.close()
    assert held.closed


def test_a_folder_that_is_not_there_is_not_needed(tmp_path: Path) -> None:
    """Where the output has no folder of its own, the system's place for temporary files serves."""
    with spool(str(tmp_path / "no" / "out.npz")) as held, spool("-") as other:
        for one in (held, other):
            one.write(b"kept")
            one.seek(0)
            assert one.read() == b"kept"
