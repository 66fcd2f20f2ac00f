"""Measure gradclip beside what else would do the work, print the table and write it down.

    PYTHONPATH=tests python -m benchmarks [--cores | --remote] [--json results.json] [--only stats] [--scale 0.1]

Files lie in memory where the system has /dev/shm, so that no disk is measured. A line says how long the work took and what it
is compared to, the ratio and its limit, the same of the seconds of processors, and the memory over all processes.
"""

import argparse
import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradclip_cli
from benchmarks import machine, pages, remote_rows, rows
from benchmarks.commands import dumps_in
from benchmarks.dumps import Dumps
from benchmarks.measuring import Figures, Patience, measure
from benchmarks.rows import Comparison
from benchmarks.serving import cluster, serving


def devices() -> list[str]:
    """Return where PyTorch can work; it is asked in a process of its own, since memory is measured here."""
    if not find_spec("torch"):
        return []
    asked = "import torch; raise SystemExit(not torch.cuda.is_available())"
    cuda = subprocess.run([sys.executable, "-c", asked], check=False, stderr=subprocess.DEVNULL).returncode == 0
    return ["cpu", "cuda"] if cuda else ["cpu"]


def chosen(comparisons: list[Comparison], only: str) -> list[Comparison]:
    """Return the comparisons with only the works whose name holds a text."""
    found = [one._replace(works=tuple(work for work in one.works if only in work.name)) for one in comparisons]
    return [one for one in found if one.works]


def needed(comparison: Comparison) -> set[str]:
    """Return the names of the dumps that a comparison reads."""
    return dumps_in([comparison.command, *(work.command for work in comparison.works)])


def table(comparisons: list[Comparison], dumps: Dumps, patience: Patience) -> Iterator[Figures]:
    """Measure all comparisons, one after the other; what serves them runs while it is needed."""
    with ExitStack() as running:
        server, scheduler = None, ""
        for place, comparison in enumerate(comparisons):
            dumps.keep({name for one in comparisons[place:] for name in needed(one)})
            if server is None and comparison.distance is not None:
                server = running.enter_context(serving(dumps.folder))
            places = dumps.places(needed(comparison))
            if any("{scheduler}" in work.command for work in comparison.works):
                scheduler = scheduler or running.enter_context(cluster(2))
                places["scheduler"] = scheduler
            yield from measure(comparison, places, patience, dumps.tidy, server)


def comparisons_of(options: argparse.Namespace) -> list[Comparison]:
    """Return the table that is asked for."""
    if options.remote:
        return remote_rows.rows()
    count = machine.processors()
    return rows.by_cores(count) if options.cores else rows.rows(count, devices())


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what is asked for, printing each line as soon as it is there; return it with the machine."""
    facts = machine.facts(*(("obstore", "distributed") if options.remote else ()))
    comparisons = chosen(comparisons_of(options), options.only)
    patience = Patience(options.rounds, options.seconds, time.monotonic() + 60 * options.minutes)
    print(pages.sentence_of_machine(facts), pages.HEADING, sep="\n", flush=True)
    found = []
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="gradclip-bench-") as folder:
        os.environ["TMPDIR"] = folder  # what a command keeps for itself lies where dumps and downloads do
        for figures in table(comparisons, Dumps(Path(folder), options.scale), patience):
            print(pages.line(figures), flush=True)
            found.append(figures)
    return {"machine": facts, "scale": options.scale, "rows": [figures._asdict() for figures in found]}


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--remote", action="store_true", help="measure the table of remote work")
    memory = Path("/dev/shm")
    parser.add_argument("--cores", action="store_true", help="measure the table by jobs")
    parser.add_argument("--folder", type=Path, default=memory if memory.is_dir() else None, help="where dumps lie")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--only", default="", help="measure only works whose name holds this")
    parser.add_argument("--scale", type=float, default=1.0, help="how large the dumps are (default: 1)")
    parser.add_argument("--rounds", type=int, default=11, help="rounds of a comparison at most (default: 11)")
    parser.add_argument("--seconds", type=float, default=10, help="for the rounds of each work (default: 10)")
    parser.add_argument("--minutes", type=float, default=9, help="after which nothing is repeated (default: 9)")
    return parser.parse_args()


def main() -> None:
    """Measure, print and write down; say at the end what is above its limit."""
    options = parsed()
    compileall.compile_dir(Path(gradclip_cli.__file__).parent, quiet=1)  # as it is where it has been installed
    begin = time.monotonic()
    results = run(options)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.cores:
        print("", *pages.columns_of_jobs(results), "", sep="\n")
    print(pages.summary(results), f"{(time.monotonic() - begin) / 60:.1f} minutes", sep="\n")


if __name__ == "__main__":
    main()
