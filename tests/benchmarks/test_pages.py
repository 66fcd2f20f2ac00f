"""Figures become lines, tables and sentences; the ones in the papers are those of the program."""

import json
from pathlib import Path

import pytest

from benchmarks import pages
from benchmarks.measuring import Figures

MACHINE = {
    "processor": "Some CPU",
    "processors": 2,
    "processors_in_all": 4,
    "memory_gib": 24,
    "system": "Linux 6.1",
    "busy": False,
    "python": "3.11.7",
    "libraries": {"numpy": "2.4.6", "h5py": "3.16.0"},
}
STATS = Figures("stats, float32", "reference", None, 0.3, 0.25, 1.2, 1.1, 1.15, 43.2, 30, 100, 7)
APPLY = Figures(
    "apply, float32, everything scaled", "reference, then cp", None, 0.7, 0.8, 0.875, 1, 1.25, 51, 30, 100, 3
)
TORCH = Figures("apply, float32", "PyTorch script", None, 0.7, 3.21, 0.22, 1, None, 51, 2000, None, 3)


@pytest.fixture(autouse=True)
def figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured of three rows, and of two numbers of jobs."""
    jobs = [
        Figures(name, "reference by processes", count, seconds, 0.2, ratio, 1, None, mib, 30, 100, 3)
        for count, ratio, mib in ((1, 1.1, 40), (2, 1.2, 60))
        for name, seconds in (("stats, float32", 0.5 / count), ("reference by threads, float32", 0.4))
    ]
    for name, rows in (("TABLE", [STATS, APPLY, TORCH]), ("BY_CORES", jobs)):
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"machine": MACHINE, "scale": 1, "rows": [row._asdict() for row in rows]}))
        monkeypatch.setattr(pages, name, file)


def test_the_table() -> None:
    """The table has a line for each row, with its limits, says where it was measured, and what is above."""
    assert pages.table() == (
        "Some CPU, 2 of 4 processors, 24 GiB of memory, Linux 6.1, Python 3.11.7, numpy 2.4.6, h5py 3.16.0.\n"
        "\n"
        "| work | compared to | gradclip | the other | ratio | at most | memory | at most |\n"
        "| --- | --- | --: | --: | --: | --: | --: | --: |\n"
        "| `stats`, float32 | reference | 0.30 s | 0.25 s | 1.20 | 1.15 | 43 MiB | 100 MiB |\n"
        "| `apply`, float32, everything scaled | reference, then cp | 0.70 s | 0.80 s | 0.88 | 1.25 | 51 MiB | 100 MiB |\n"
        "| `apply`, float32 | PyTorch script | 0.70 s | 3.21 s | 0.22 |  | 51 MiB |  |\n"
        "\n"
        "Above the limit: stats, float32 (time)."
    )


def test_a_busy_machine() -> None:
    """Where other work was going on, it is said beside the machine."""
    assert pages.sentence_of_machine({**MACHINE, "busy": True}).endswith(
        " h5py 3.16.0. It was busy with other work meanwhile: times vary."
    )


def test_the_table_by_jobs() -> None:
    """A number of jobs is a column; seconds of both sides, ratio and memory are lines."""
    assert pages.by_jobs().splitlines()[2:] == [
        "|  | -j 1 | -j 2 |",
        "| --- | --: | --: |",
        "| `stats`, float32 | 0.50 s | 0.25 s |",
        "| `stats`, float32: reference by processes | 0.20 s | 0.20 s |",
        "| `stats`, float32: ratio | 1.10 | 1.20 |",
        "| `stats`, float32: memory | 40 MiB | 60 MiB |",
        "| reference by threads, float32 | 0.40 s | 0.40 s |",
    ]


def test_what_the_readme_says() -> None:
    """The README says how long a model takes to measure and to clip, and a script."""
    text = pages.speed()
    assert "are measured in 0.30 s and clipped in 0.70 s" in text
    assert "by 2 processors; a PyTorch script that loads, clips and saves takes 3.2 s" in text


def test_a_line() -> None:
    """A line on the screen says what is above its limit."""
    shown = " ".join(pages.line(STATS).split())
    assert shown == "stats, float32 0.300 reference 0.250 1.20 (≤ 1.15) 1.10 43 MiB (≤ 100) ABOVE: time"
    assert "ABOVE" not in pages.line(APPLY)
    assert pages.line(STATS._replace(jobs=4)).startswith("stats, float32, -j 4 ")


def test_the_table_of_remote_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted stands beside its limit; a limit of time may be seconds, too."""
    far = STATS._replace(
        most=1.0, more=1.5, requests=1005, most_requests=1200, fetched=1.0, most_fetched=1.01, most_processors=0.8
    )
    local = APPLY._replace(most=0.0, more=5.0)
    file = tmp_path / "remote.json"
    file.write_text(json.dumps({"machine": MACHINE, "scale": 1, "rows": [far._asdict(), local._asdict()]}))
    monkeypatch.setattr(pages, "REMOTE", file)
    assert pages.remote().splitlines()[4:6] == [
        "| `stats`, float32 | reference | 0.30 s | 0.25 s | 1.20 | 1 × + 1.5 s | 1.10 (≤ 0.8) | "
        "43 (≤ 100) MiB | 1,005 (≤ 1200) | 1.000 × (≤ 1.01) |",
        "| `apply`, float32, everything scaled | reference, then cp | 0.70 s | 0.80 s | 0.88 | 5 s | 1.00 | 51 (≤ 100) MiB |  |  |",
    ]
    assert not any("first aim" in one for one in pages.remote().splitlines())
    parts = [STATS._replace(compared="download, then stats", compared_seconds=2.0), STATS._replace(compared="download")]
    for seconds, reach in (
        (1.56, "0.78 of the time of download, then stats: the first aim, 0.7, is out of reach."),
        (1, "within reach."),
    ):
        rows = [parts[0], parts[1]._replace(compared_seconds=seconds)]
        file.write_text(json.dumps({"machine": MACHINE, "scale": 1, "rows": [row._asdict() for row in rows]}))
        assert any(one.endswith(reach) for one in pages.remote().splitlines())
    file.write_text(
        json.dumps({"machine": {**MACHINE, "busy": True}, "scale": 1, "rows": [row._asdict() for row in rows]})
    )
    assert not any("first aim" in one for one in pages.remote().splitlines())
    assert "1005 requests (≤ 1200), 1.000 of the bytes (≤ 1.01)   ABOVE: processors" in pages.line(far)


def test_nothing_is_above() -> None:
    """It is said, too, where no row is above its limit."""
    assert pages.summary({"rows": [APPLY._asdict()]}) == "No row is above its limit."


def test_small_dumps_are_for_trying() -> None:
    """Figures of smaller dumps do not get into the papers."""
    pages.TABLE.write_text(json.dumps({"machine": MACHINE, "scale": 0.1, "rows": []}))
    with pytest.raises(ValueError, match=r"measured at a scale of 0\.1; measure again without SCALE"):
        pages.table()
