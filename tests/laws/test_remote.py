"""What is remote gives the same bytes as what is local: reports, and outputs in every format."""

import json
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("obstore")

from support.official import save
from support.servers.objects import Objects
from support.servers.surroundings import hurried_server

import gradclip_cli
from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats import FORMATS, by_name
from gradclip_cli.render import json_report
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from gradclip_cli.storage.remote import file as remote_file
from gradclip_cli.storage.remote.window import Window

ARRAYS = {f"layers.{k}.weight": np.random.default_rng(k).normal(size=(300, 70 * k + 1)).astype("f4") for k in range(5)}


@pytest.fixture
def server() -> Iterator[Objects]:
    """A server of S3, Google's storage, the hub and plain files."""
    with hurried_server() as found:
        yield found


def said(report: Report, folder: str) -> str:
    """A report as JSON, without the folder that the dumps are in."""
    stream = StringIO()
    json_report.write(report, stream, View("json"))
    return stream.getvalue().replace(json.dumps(folder)[1:-1], "")


def put(server: Objects, folder: Path) -> dict[str, str]:
    """Serve the files of a folder under every scheme; return the URLs of the folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder)
            server.of |= {
                f"bkt/a b%20é/{name}": path.read_bytes(),
                f"datasets/me/n/resolve/main/run/{name}": path.read_bytes(),
            }
    return {
        "s3": "s3://bkt/a b%20é",
        "gs": "gs://bkt/a b%20é",
        "hf": "hf://datasets/me/n/run",
        "http": f"{server.url}/bkt/a%20b%2520é",
    }


@pytest.mark.parametrize("format", FORMATS)
def test_reports_and_outputs_are_the_same_bytes(server: Objects, tmp_path: Path, format: str) -> None:
    """Statistics, listings and outputs of a file are those of the file here, from every store, into stores and from stores to here."""
    here, own = save(tmp_path, format, ARRAYS), save(tmp_path, format, ARRAYS, "w")
    urls = {scheme: f"{url}/{here.name}" for scheme, url in put(server, tmp_path).items()}
    expected = [said(gradclip_cli.stats(here), str(tmp_path)), said(gradclip_cli.ls(here), str(tmp_path))]
    units = said(gradclip_cli.stats(here, weights=own, tries=["agc:0.1"]), str(tmp_path))
    clipped = tmp_path / f"clipped{here.suffix}"
    gradclip_cli.apply(here, clipped, strategy="clip-by-global-norm", threshold=1.0)
    for scheme, url in urls.items():
        folder = url.rpartition("/")[0]
        assert [said(gradclip_cli.stats(url), folder), said(gradclip_cli.ls(url), folder)] == expected, scheme
        beside = gradclip_cli.stats(url, weights=f"{folder}/{own.name}", tries=["agc:0.1"])
        assert said(beside, folder) == units, scheme
    for source, target in (
        (urls["s3"], "s3://bkt/out"),
        (str(here), "gs://bkt/out"),
        (urls["hf"], str(tmp_path / "out")),
    ):
        output = f"{target}{here.suffix}"
        gradclip_cli.apply(source, output, strategy="clip-by-global-norm", threshold=1.0)
        data = Path(output).read_bytes() if "://" not in output else server.of.pop(f"bkt/out{here.suffix}")
        assert data == clipped.read_bytes()
    units_out = tmp_path / f"units{here.suffix}"
    gradclip_cli.apply(here, units_out, strategy="agc", threshold=0.1, weights=own)
    beside_it = f"{urls['s3'].rpartition('/')[0]}/{own.name}"
    gradclip_cli.apply(urls["s3"], f"s3://bkt/out{here.suffix}", strategy="agc", threshold=0.1, weights=beside_it)
    assert server.of.pop(f"bkt/out{here.suffix}") == units_out.read_bytes()
    assert server.uploads == {}


def test_folders_and_wildcards(server: Objects, tmp_path: Path) -> None:
    """A folder, a prefix and a pattern stand for the dumps that they stand for here, with a request or two for each dump."""
    for step in range(12):
        save(tmp_path, FORMATS[step % 3], ARRAYS, f"step_{step}")
    norms = [dump.norm for dump in gradclip_cli.stats(tmp_path).dumps]
    for scheme, url in put(server, tmp_path).items():
        if scheme != "http":
            for given in (url, f"{url}/", f"{url}/step_*"):
                server.asked.clear()
                assert [dump.norm for dump in gradclip_cli.stats(given).dumps] == norms
                assert len(server.asked) < 3 * len(norms)
    assert [dump.norm for dump in gradclip_cli.stats(f"{url}/step_3{by_name(FORMATS[0]).suffixes[0]}").dumps] == norms[
        3:4
    ]


def test_chunks_of_hdf5_are_fetched_together(server: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All chunks are announced before they are read, those of several threads beside each other; a request brings many of them."""
    monkeypatch.setattr(remote_file, "WHOLE", 0)
    announced, real = list[int](), Window.expect_also

    def expect_also(window: Window, ranges: Sequence[tuple[int, int]], size: int) -> None:
        announced.extend(nbytes for _, nbytes in ranges)
        real(window, ranges, size)

    monkeypatch.setattr(Window, "expect_also", expect_also)
    path = tmp_path / "chunked.h5"
    with h5py.File(path, "w") as file:
        for name, values in (("a", 1 << 20), ("b", 1 << 19)):
            data = np.random.default_rng(1).normal(size=values).astype("f4")
            file.create_dataset(name, data=data, chunks=(16_384,), compression="gzip", compression_opts=1)
    url = f"{put(server, tmp_path)['s3']}/{path.name}"
    expected = said(gradclip_cli.stats(path), str(tmp_path))
    server.asked.clear()
    assert said(gradclip_cli.stats(url, jobs=2), url.rpartition("/")[0]) == expected
    assert sum(one.nbytes for one in server.asked) < 1.3 * path.stat().st_size
    assert len(server.asked) < 24  # for 96 chunks
    assert sum(announced) > 0.9 * path.stat().st_size


def test_a_dump_that_changes_between_two_readings(server: Objects, tmp_path: Path) -> None:
    """A dump that is replaced between its measuring and its clipping is refused, and nothing is written."""
    path = save(tmp_path, "safetensors", ARRAYS)
    put(server, tmp_path)
    name = f"bkt/a b%20é/{path.name}"
    first = len(path.read_bytes())
    seen = iter(range(1 << 20))

    def replaced(asked: object) -> str:
        if next(seen) == 2:
            server.of[name] = bytes(first)
        return ""

    server.wrong = replaced
    with pytest.raises(InputError, match="changed while it was read"):
        gradclip_cli.apply(f"s3://{name}", "s3://bkt/out.safetensors", strategy="clip-by-global-norm", threshold=1.0)
    assert "bkt/out.safetensors" not in server.of


def test_several_outputs_are_seen_together_or_not_at_all(server: Objects, tmp_path: Path) -> None:
    """If an output cannot be sent, none of them is there afterwards, and no part is left."""
    for step in range(3):
        save(tmp_path, "safetensors", ARRAYS, f"step_{step}")
    url = put(server, tmp_path)["s3"]
    before = dict(server.of)
    server.wrong = lambda asked: "403" if asked.method in ("PUT", "POST") else ""
    with pytest.raises(OutputError, match=r"may not be written \(403\).*0 of 3 outputs are in place"):
        gradclip_cli.apply(url, "s3://bkt/out", strategy="clip-by-global-norm", threshold=1.0)
    assert (server.of, server.uploads) == (before, {})
    server.wrong = lambda asked: ""
    gradclip_cli.apply(url, "s3://bkt/out", strategy="clip-by-global-norm", threshold=1.0)
    assert sorted(server.of.keys() - before.keys()) == [f"bkt/out/step_{step}.safetensors" for step in range(3)]
