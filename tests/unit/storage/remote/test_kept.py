"""What a call reads twice is fetched once."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save, save_file
from support.generated import few
from support.servers.objects import Objects

import gradclip_cli
from gradclip_cli.storage.remote import kept as module
from gradclip_cli.storage.remote.heads import HEAD, Heads
from gradclip_cli.storage.remote.kept import Kept, Room, kept, read_twice
from gradclip_cli.storage.remote.objects import objects

URL = "s3://bkt/g.safetensors"


@few(60)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_ranges_are_held_as_a_set_of_bytes_holds_them(ranges: list[tuple[int, int]]) -> None:
    """A range is kept if each of its bytes is, however the ranges overlap, and comes back as it was put."""
    data, room = np.random.default_rng(0).bytes(80), Room()
    one, other, known = Kept(room, len(data)), Kept(room, len(data)), set[int]()
    for start, nbytes in ranges:
        other.put(start, memoryview(bytes(nbytes)))
        one.put(start, memoryview(data)[start : start + nbytes])
        known |= set(range(start, start + nbytes))
    for start in range(80):
        for stop in range(start + 1, 81):
            assert one.holds(start, stop) == known.issuperset(range(start, stop))
            assert one.read(start, stop) == (data[start:stop] if known.issuperset(range(start, stop)) else None)
    one.close()
    other.close()
    assert room._fd == -1


def test_many_files_share_a_descriptor() -> None:
    """A thousand files are kept at places of their own in one file: each a descriptor would leave none for what is done with them."""
    room = Room()
    before = len(os.listdir("/dev/fd"))
    files = [Kept(room, 8) for _ in range(1000)]
    for k, one in enumerate(files):
        one.put(0, memoryview(k.to_bytes(8, "big")))
    assert len(os.listdir("/dev/fd")) == before + 1
    assert [one.read(0, 8) for one in files] == [k.to_bytes(8, "big") for k in range(1000)]
    for one in files:
        one.close()
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("elements", [1_000, 3 << 20, 9 << 20])
def test_apply_fetches_each_byte_once(elements: int, server: Objects, tmp_path: Path) -> None:
    """The second pass, which changes some tensors and copies others, asks the store for a head at most."""
    arrays = {name: np.full(elements // 2, scale, np.float32) for name, scale in (("a", 1.0), ("b", 1e-3))}
    save_file(arrays, tmp_path / "g.safetensors")
    server.of["bkt/g.safetensors"] = (tmp_path / "g.safetensors").read_bytes()
    options: dict[str, Any] = {"strategy": "clip-l2-per-layer", "threshold": 1.0}
    gradclip_cli.apply(tmp_path / "g.safetensors", tmp_path / "here.safetensors", **options)
    gradclip_cli.apply(URL, tmp_path / "there.safetensors", **options)
    assert (tmp_path / "there.safetensors").read_bytes() == (tmp_path / "here.safetensors").read_bytes()
    spans = [asked.range.removeprefix("bytes=").split("-") for asked in server.gets() if asked.range is not None]
    size = len(server.of["bkt/g.safetensors"])
    assert sum(min(int(last) + 1, size) - int(first) for first, last in spans) <= size + 2 * HEAD


def test_the_second_pass_asks_for_several_heads_at_once(
    server: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written, all dumps are expected once more: none waits for the answer to the one before it."""
    urls = [f"s3://bkt/run/step_{step}.safetensors" for step in range(4)]
    server.of |= {url.removeprefix("s3://"): save({"a": np.ones(9, np.float32)}) for url in urls}
    said: list[tuple[int, list[str]]] = []
    expect = Heads.expect

    def spied(heads: Heads, locations: Sequence[str]) -> None:
        said.append((len(server.gets()), list(locations)))
        expect(heads, locations)

    monkeypatch.setattr(Heads, "expect", spied)
    gradclip_cli.apply("s3://bkt/run/", tmp_path / "out", strategy="clip-by-global-norm", threshold=1.0)
    assert said[-1][1] == urls
    assert len(urls) <= said[-1][0] <= len(server.gets()) - len(urls)


def test_where_there_is_no_room_it_is_fetched_again(
    server: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk for temporary files costs requests, and nothing else."""
    save_file({"a": np.ones(1 << 20, np.float32)}, tmp_path / "g.safetensors")
    server.of["bkt/g.safetensors"] = (tmp_path / "g.safetensors").read_bytes()
    monkeypatch.setattr(module, "_free", lambda: 1000)
    report = gradclip_cli.apply(URL, tmp_path / "out.safetensors", strategy="clip-by-global-norm", threshold=1.0)
    assert report.clipped_dumps == 1


def test_nothing_is_kept_but_of_what_is_read_twice(server: Objects) -> None:
    """Other files, and the same one after the call, are not kept; its descriptor is closed."""
    server.of["bkt/g.safetensors"] = os.urandom(1000)
    state = objects().fingerprint(URL)
    assert kept(URL, state, 1000) is None
    with read_twice([URL, "here.npz"]):
        one = kept(URL, state, 1000)
        assert one is not None
        assert one is kept(URL, state, 1000)
        assert kept("s3://bkt/weights.npz", "state", 9) is None
        one.put(0, memoryview(b"abc"))
        assert one.read(0, 3) == b"abc"
    assert kept(URL, state, 1000) is None
    assert one._fd == -1
