"""Figures as lines on the screen, and as what the documentation takes from them: no figure is typed by hand."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figures

FIGURES = Path(__file__).parents[2] / "docs" / "development"
TABLE, BY_CORES = FIGURES / "benchmarks.json", FIGURES / "benchmarks-cores.json"
REMOTE = FIGURES / "benchmarks-remote.json"
"""What was measured last for the documentation; `make bench-docs` puts it there."""

HEADING = f"{'':36} {'seconds':>8}  {'compared to':30} {'seconds':>8}   {'ratio':15} {'processors':10}  memory"


def line(row: Figures) -> str:
    """Return a line for the screen."""
    name = row.work if row.jobs is None else f"{row.work}, -j {row.jobs}"
    ratio = f"{row.ratio:5.2f}{_most(row.most, row.more):10}"
    memory = f"{row.peak_mib:5.0f} MiB{_most(row.most_mib)}"
    if row.requests is not None:
        memory += f"  {row.requests} requests{_most(row.most_requests)}, {row.fetched:.3f} of the bytes{_most(row.most_fetched)}"
    above = f"   ABOVE: {' and '.join(row.above)}" if row.above else ""
    return (
        f"{name:36} {row.seconds:8.3f}  {row.compared:30} {row.compared_seconds:8.3f}   "
        f"{ratio} {row.cpu_ratio:10.2f}{_most(row.most_processors)}  {memory}{above}"
    )


def _most(most: float | None, more: float = 0.0) -> str:
    return "" if most is None else f" (≤ {_times(most, more)})"


def _times(most: float, more: float) -> str:
    """Return a limit of time: so many times what it is compared to, and so many seconds."""
    if not more:
        return f"{most:.4g}"
    return f"{most:g} × + {more:g} s" if most else f"{more:g} s"


def sentence_of_machine(machine: dict[str, Any]) -> str:
    """Say what figures were measured on."""
    count, there = machine["processors"], machine["processors_in_all"]
    of_them = f"{count} processors" if count == there else f"{count} of {there} processors"
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    where = f"{machine['processor']}, {of_them}, {machine['memory_gib']} GiB of memory, {machine['system']}"
    busy = " It was busy with other work meanwhile: times vary." if machine["busy"] else ""
    return f"{where}, Python {machine['python']}, {libraries}.{busy}"


def summary(results: dict[str, Any]) -> str:
    """Say which rows are above their limits."""
    found = [f"{row.work} ({' and '.join(row.above)})" for row in _rows(results) if row.above]
    return f"Above the limit: {'; '.join(found)}." if found else "No row is above its limit."


def table() -> str:
    """Return the table of the documentation."""
    results = _read(TABLE)
    lines = _markdown(
        ("work", "compared to", "gradclip", "the other", "ratio", "at most", "memory", "at most"),
        2,
        (
            (
                _code(row.work),
                row.compared,
                f"{row.seconds:.2f} s",
                f"{row.compared_seconds:.2f} s",
                f"{row.ratio:.2f}",
                _limit(row.most),
                f"{row.peak_mib:.0f} MiB",
                _limit(row.most_mib, " MiB"),
            )
            for row in _rows(results)
        ),
    )
    return "\n".join([sentence_of_machine(results["machine"]), "", *lines, "", summary(results)])


def remote() -> str:
    """Return the table of remote work of the documentation."""
    results = _read(REMOTE)
    measured = ("gradclip", "the other", "ratio", "at most", "processors", "memory", "requests", "bytes fetched")
    lines = _markdown(("work", "compared to", *measured), 2, map(_cells_of_remote, _rows(results)))
    return "\n".join([sentence_of_machine(results["machine"]), "", *lines, "", *_reach(results), summary(results)])


AIM = 0.7
"""How many times as long as a download and then `stats` it was once hoped that `stats` of a remote dump takes."""


def _reach(results: dict[str, Any]) -> list[str]:
    """Say how much of a download and then `stats` is the download, which no `stats` of all elements can do without.

    Nothing for a busy machine: the two are measured one after the other.
    """
    found = {(row.work, row.compared): row.compared_seconds for row in _rows(results)}
    download, both = (found.get(("stats, float32", other)) for other in ("download", "download, then stats"))
    if download is None or both is None or results["machine"]["busy"]:
        return []
    share = download / both
    reach = "out of reach" if share > AIM else "within reach"
    return [
        f"The download alone takes {share:.2f} of the time of download, then stats: the first aim, {AIM}, is {reach}.",
        "",
    ]


def _cells_of_remote(row: Figures) -> tuple[str, ...]:
    """Return the cells of a row, with the limits of what was counted beside it."""
    return (
        _code(row.work),
        row.compared,
        f"{row.seconds:.2f} s",
        f"{row.compared_seconds:.2f} s",
        f"{row.ratio:.2f}",
        "" if row.most is None else _times(row.most, row.more),
        f"{row.cpu_ratio:.2f}{_most(row.most_processors)}",
        f"{row.peak_mib:.0f}{_most(row.most_mib)} MiB",
        "" if row.requests is None else f"{row.requests:,}{_most(row.most_requests)}",
        "" if row.fetched is None else f"{row.fetched:.3f} ×{_most(row.most_fetched)}",
    )


def by_jobs() -> str:
    """Return the table by jobs of the documentation."""
    results = _read(BY_CORES)
    return "\n".join([sentence_of_machine(results["machine"]), "", *columns_of_jobs(results)])


def columns_of_jobs(results: dict[str, Any]) -> list[str]:
    """Return the lines of the table by jobs: a column for each number of jobs."""
    cells: dict[str, dict[int, str]] = {}
    for row in _rows(results):
        for name, value in _cells_of_jobs(row).items():
            cells.setdefault(name, {})[row.jobs or 0] = value
    jobs = sorted({count for found in cells.values() for count in found})
    body = ([name, *(found.get(count, "") for count in jobs)] for name, found in cells.items())
    return _markdown(["", *(f"-j {count}" for count in jobs)], 1, body)


def _cells_of_jobs(row: Figures) -> dict[str, str]:
    """Return the cells of one number of jobs, by what stands at the head of their lines."""
    if row.work.startswith("reference"):
        return {row.work: f"{row.seconds:.2f} s"}
    return {
        _code(row.work): f"{row.seconds:.2f} s",
        f"{_code(row.work)}: {row.compared}": f"{row.compared_seconds:.2f} s",
        f"{_code(row.work)}: ratio": f"{row.ratio:.2f}",
        f"{_code(row.work)}: memory": f"{row.peak_mib:.0f} MiB",
    }


def speed() -> str:
    """Return what the README says of speed: a model measured, clipped, and clipped by a script."""
    results = _read(TABLE)
    found = {(row.work, row.compared): row for row in _rows(results)}
    stats = found["stats, float32", "reference"].seconds
    clipped = found["apply, float32, everything scaled", "reference, then cp"].seconds
    torch = found.get(("apply, float32", "PyTorch script"))
    beside = (
        "" if torch is None else f"; a PyTorch script that loads, clips and saves takes {torch.compared_seconds:.1f} s"
    )
    count = results["machine"]["processors"]
    return (
        f"234 million float32 gradients (0.94 GB) are measured in {stats:.2f} s and clipped in {clipped:.2f} s, start-up\n"
        f"included, by {count} processors{beside} ([benchmarks](docs/development/benchmarks.md))."
    )


def _read(file: Path) -> dict[str, Any]:
    """Return what was measured; raise `ValueError` if it is of dumps that are not as large as the papers say."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if found["scale"] != 1:
        raise ValueError(f"{file.name}: measured at a scale of {found['scale']:g}; measure again without SCALE")
    return found


def _rows(results: dict[str, Any]) -> list[Figures]:
    return [Figures(**row) for row in results["rows"]]


def _markdown(heads: Iterable[str], texts: int, body: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a table whose first columns are texts, the others figures."""
    heads = list(heads)
    rule = ["---"] * texts + ["--:"] * (len(heads) - texts)
    return [f"| {' | '.join(cells)} |" for cells in (heads, rule, *body)]


def _code(work: str) -> str:
    """Return the name of a work with its command as code."""
    command, comma, rest = work.partition(",")
    return f"`{command}`{comma}{rest}"


def _limit(most: float | None, unit: str = "") -> str:
    return "" if most is None else f"{most:g}{unit}"
