"""What is measured of remote work, on the server of `serving`.

`{at_f32}` is the URL of a dump there, and `{at_out}` that of what is written.
"""

from collections.abc import Iterator
from importlib.util import find_spec

from benchmarks.dumps import SUFFIXES
from benchmarks.rows import SCALED, Comparison, Distance, Work

FAR, NEAR = Distance(0.030, 90e6), Distance(0.0, 0.0)
"""About what S3 is in the same region, and what only the machine itself limits."""

MIB = 160
"""Memory over all processes, whatever the size of a dump and the jobs."""
ROUND_TRIPS, LOADED = 1.5 * FAR.latency, 0.08
"""Seconds: of one and a half round trips, and to import what asks."""
CONNECTED, EACH = 1.5, 0.005
"""Seconds: to import Dask and connect, and for each small dump that workers measure."""


def rows(clusters: bool | None = None) -> list[Comparison]:
    """Return the table, that of a cluster only where Dask is installed."""
    by_cluster = find_spec("distributed") is not None if clusters is None else clusters
    found = [*listing(), *reading(), *small_parts(), *other_formats(), *writing()]
    return [*found, *cluster()] if by_cluster else found


def listing() -> Iterator[Comparison]:
    """What reads headers only."""
    more = ROUND_TRIPS + LOADED
    one = Work("ls, one dump", "gradclip ls -f json {at_f32}", 1.0, MIB, more=more, most_requests=1)
    yield Comparison("ls of it here", "gradclip ls -f json {f32}", (one,), distance=FAR)
    many = Work("ls, 1,000 dumps", "gradclip ls -f json {at_series}", 0.0, MIB, more=5.0, most_requests=1200)
    yield Comparison("ls of them here", "gradclip ls -f json {series}", (many,), distance=FAR)


def reading() -> Iterator[Comparison]:
    """What reads every element, far away and near."""
    stats = "gradclip stats -f json {at_f32}"
    once = work("stats, float32", stats, 1.0)._replace(most_processors=0.8)
    yield Comparison("download, then stats", then_read("f32"), (once,), distance=FAR)
    yield Comparison("download", download("f32"), (work("stats, float32", stats, 1.3),), distance=FAR)
    large = work("stats, float32, twice as large, -j 16", "gradclip stats -f json {at_large} -j 16", 1.3)
    yield Comparison("download", download("large"), (large,), distance=FAR)
    near = work("stats, float32, no latency", stats, 1.0)._replace(most_processors=1.05)
    dropped = "script fetch {at_f32} && gradclip stats -f json {f32}"
    yield Comparison("fetch and drop, then stats of it here", dropped, (near,), distance=NEAR)


def small_parts() -> Iterator[Comparison]:
    """Many small tensors in one file."""
    for name, what, most in (("npz3000", "3,000 members of npz", 5), ("h53000", "3,000 datasets of HDF5", 30)):
        one = Work(f"stats, {what}", f"gradclip stats -f json {{at_{name}}}", None, MIB, most_requests=most)
        yield Comparison("download, then stats", then_read(name), (one,), distance=FAR)


def other_formats() -> Iterator[Comparison]:
    """Large files of other formats."""
    for name, what in (("npz", "stored npz"), ("h5", "contiguous HDF5")):
        one = work(f"stats, {what}", f"gradclip stats -f json {{at_{name}}}", 1.0)
        yield Comparison("download, then stats", then_read(name), (one,), distance=FAR)


def writing() -> Iterator[Comparison]:
    """What reads and writes in the store."""
    by_hand = (
        f"{download('f32')} && gradclip apply {{out}}.safetensors -o {{out}}.clipped.safetensors -q {SCALED} "
        "&& script upload {out}.clipped.safetensors {at_out}"
    )
    ours = f"gradclip apply {{at_f32}} -o {{at_out}} -q {SCALED}"
    one = Work("apply, float32, into the store", ours, 1.3, MIB)
    yield Comparison("download, apply, upload", by_hand, (one,), distance=FAR)


def cluster() -> Iterator[Comparison]:
    """Workers on this machine, beside the machine itself."""
    for command, what, dumps in (("stats", "fifty", 0), ("stats", "small", 1000), ("check", "small", 1000)):
        ours = f"gradclip {command} -f json {{{what}}}"
        name = f"{command}, {dumps or 50:,}{' small' * (dumps > 0)} dumps, cluster of 2"
        spread = Work(name, f"{ours} --scheduler {{scheduler}}", 1.15, more=CONNECTED + dumps * EACH)
        yield Comparison("the same, -j 2", f"{ours} -j 2", (spread,))


def work(name: str, command: str, most: float) -> Work:
    """Return a work that asks for each byte of a dump once."""
    return Work(name, command, most, MIB, fetches_once=True)


def download(name: str) -> str:
    """Return the command that downloads a dump, by as many connections as gradclip uses."""
    return f"script download {{at_{name}}} {{out}}{SUFFIXES[name]}"


def then_read(name: str) -> str:
    """Return the commands that download a dump and measure it here."""
    return f"{download(name)} && gradclip stats -f json {{out}}{SUFFIXES[name]}"
