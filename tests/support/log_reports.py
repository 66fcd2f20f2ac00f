"""Reports of logs with known norms, which are made in milliseconds."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import gradclip_cli
from gradclip_cli.render.html.picture import Picture
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.run import RunReport


def log_of(path: Path, norms: Sequence[float], steps: Iterable[int] | None = None) -> Path:
    """Write norms as a CSV log, whose first step is 0 unless `steps` are given."""
    numbers = range(len(norms)) if steps is None else steps
    rows = [f"{step},{float(norm)!r}\n" for step, norm in zip(numbers, norms, strict=True)]
    path.write_text("step,grad_norm\n" + "".join(rows), encoding="utf-8")
    return path


def log_report(path: Path, norms: Sequence[float], against: Path | None = None, **options: Any) -> RunReport:
    """Return what a page shows of a log of norms, but for findings; `options` are those of `stats`."""
    stats = gradclip_cli.stats(str(log_of(path, norms)), **options)
    other = None if against is None else gradclip_cli.stats(str(against))
    return RunReport("run", stats, CheckReport([], len(stats.dumps), [], []), other, stats.notes, [])


SPIKES = [14.0 if k == 20 else 9.0 if k == 30 else 1.0 + 0.1 * (k % 3) for k in range(40)]
"""Norms of a run that explodes at the steps 20 and 30."""


def drawn(found: Picture | None) -> Picture:
    """A picture that there is."""
    assert found is not None
    return found


def rows_of(view: Any, key: str) -> list[dict[str, Any]]:
    """The rows of data in a view that have a key."""
    own = [row for row in view.get("data", {}).get("values", ()) if key in row]
    return own + [row for inner in view.get("layer", ()) for row in rows_of(inner, key)]
