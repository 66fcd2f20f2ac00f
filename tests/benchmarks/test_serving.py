"""The server of the benchmarks gives out the files of a folder, and counts what is asked for."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from benchmarks.remote_rows import NEAR
from benchmarks.serving import Served, serving


def fetched(url: str, ranged: str = "", method: str = "GET", data: bytes | None = None) -> bytes:
    """What the server answers."""
    headers = {"Range": f"bytes={ranged}"} if ranged else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as answer:
        found: bytes = answer.read()
        return found


def test_files_are_served_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of ranges count as far as the file goes; a look at the folder forgets what was counted and uploaded."""
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "g").write_bytes(bytes(range(100)))
    with serving(tmp_path) as server:
        server.begin(NEAR)
        assert fetched(f"{server.url}/bench/g", "90-200") == bytes(range(90, 100))
        assert fetched(f"{server.url}/bench/g", "-5") == bytes(range(95, 100))
        fetched(f"{server.url}/bench/out", method="PUT", data=b"new")
        assert fetched(f"{server.url}/bench/out") == b"new"
        assert server.served() == Served(4, 18)
        (tmp_path / "g").unlink()
        (tmp_path / "h").write_bytes(b"another")
        server.begin(NEAR)
        assert server.served() == Served(0, 0)
        assert fetched(f"{server.url}/bench/h") == b"another"
        for gone in ("g", "out"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                fetched(f"{server.url}/bench/{gone}")
            caught.value.close()
