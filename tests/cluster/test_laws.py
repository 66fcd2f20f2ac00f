"""A cluster is an executor like the others: reports and outputs are the same to the byte."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from laws.everywhere import Way, digest, make, page_digest, reports
from laws.test_batches import REPORTS, SERIES, reported
from laws.test_cached_report import texts
from laws.test_elsewhere import MAKERS, OPTIONS, STRATEGIES, applied, bad, make_one, tensors
from support.cache import used_cache
from support.dask_cluster import DaskCluster
from support.matrices import crossed

import gradclip_cli
from gradclip_cli.engine import small_dumps
from gradclip_cli.engine.executors import cluster as executor
from gradclip_cli.formats import FORMATS

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("eager")]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of all orders that were sent."""
    found, real = list[int](), executor._Orders.next

    def counted(orders: Any) -> Any:
        order = real(orders)
        found.extend([len(order.items)] if order is not None else [])
        return order

    monkeypatch.setattr(executor._Orders, "next", counted)
    return found


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dumps of three steps in every format."""
    folder = tmp_path_factory.mktemp("everywhere") / "dumps"
    make(folder)
    return folder


def on(monkeypatch: pytest.MonkeyPatch, address: object) -> None:
    """Let `stats`, `check` and `apply` work on a cluster."""
    for name in ("stats", "check", "apply"):
        real = getattr(gradclip_cli, name)

        def call(*given: Any, _real: Callable[..., Any] = real, **told: Any) -> Any:
            return _real(*given, **{**told, "scheduler": address, "jobs": None})

        monkeypatch.setattr(gradclip_cli, name, call)


@pytest.mark.parametrize("format", FORMATS)
def test_reports(
    format: str, dumps: Path, shared_cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch, sent: list[int]
) -> None:
    """Every report is the same, whatever the format, and the work was done by the workers."""
    here = {asked: digest(report) for asked, report in reports(dumps, Way(format), "large")}
    with monkeypatch.context() as patch:
        on(patch, shared_cluster.address)
        there = {asked: digest(report) for asked, report in reports(dumps, Way(format), "large")}
    assert there == here
    assert len(sent) > 3 * len(there)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One dump of every kind, and a series of steps, one of which is not finite."""
    folder = tmp_path_factory.mktemp("made")
    for name, write in MAKERS.items():
        write(folder / name, tensors(0))
    for step in range(4):
        (folder / "run").mkdir(exist_ok=True)
        make_one(folder / "run" / f"step_{step}.npz", bad(10 * step) if step == 2 else tensors(10 * step))
    return folder


@pytest.mark.parametrize(
    ("name", "suffix", "strategy", "options"),
    crossed(tuple(MAKERS), (".safetensors", ".h5", ".npz"), STRATEGIES, OPTIONS, rounds=3),
    ids=str,
)
def test_outputs(
    name: str,
    suffix: str,
    strategy: dict[str, Any],
    options: dict[str, Any],
    made: Path,
    tmp_path: Path,
    shared_cluster: DaskCluster,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[int],
) -> None:
    """Every format is turned into every other, under every group of strategies, to the same bytes and figures."""
    run = applied(made / name, tmp_path, suffix, **strategy, **options)
    here = run("here")
    on(monkeypatch, shared_cluster.address)
    assert run("there") == here
    assert sent


def test_a_series(made: Path, tmp_path: Path, shared_cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many dumps are measured and written at once, and named by relative paths, to the same bytes as one after the other."""
    monkeypatch.chdir(made)
    outputs: dict[str, Any] = {}
    for name, scheduler in (("here", None), ("there", shared_cluster.address)):
        told: dict[str, Any] = {"strategy": "clip-by-global-norm", "threshold": "autoclip:50", "nonfinite": "zero"}
        report = gradclip_cli.apply("run", tmp_path / name, scheduler=scheduler, **told)
        found = {path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())}
        outputs[name] = digest(report), {key: hashlib.sha256(data).hexdigest() for key, data in found.items()}
        assert [path.name for path in sorted((tmp_path / name).iterdir())] == [f"step_{k}.npz" for k in range(4)]
    assert outputs["here"] == outputs["there"]
    assert digest(gradclip_cli.check("run")) == digest(gradclip_cli.check("run", scheduler=shared_cluster.address))


@pytest.mark.parametrize("series", ["plain", "formats", "ranks", "groups", "broken", "skipped", "stuck", "late"])
def test_small_dumps(
    series: str, tmp_path: Path, shared_cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch, sent: list[int]
) -> None:
    """Batches of small dumps are sent for `stats`, `check` and `report` alike, which say the same to the byte."""
    told = SERIES[series](tmp_path)
    monkeypatch.setattr(small_dumps, "_MOST_DUMPS", 3)
    monkeypatch.setattr(executor, "LEAST_MAP", 100_000)  # more than any of the dumps has, but not all of them together
    for name in ("report",) if series == "skipped" else ("stats", "check", "report"):
        here = reported(REPORTS[name], [tmp_path], told, 1)
        sent.clear()
        assert reported(partial(REPORTS[name], scheduler=shared_cluster.address), [tmp_path], told, 2) == here
        assert sent


def test_a_client(made: Path, shared_cluster: DaskCluster) -> None:
    """A client of the caller is used, and stays connected."""
    import distributed

    with distributed.Client(shared_cluster.address, set_as_default=False) as client:
        found = gradclip_cli.stats(made / "run", scheduler=client, keep_going=True)
        assert client.status == "running"
    assert digest(found) == digest(gradclip_cli.stats(made / "run", keep_going=True))


def test_a_page(made: Path, shared_cluster: DaskCluster) -> None:
    """What a page shows is the same, with counts by magnitude, and where dumps are skipped or are slices."""
    for path, told in (("run", {"skip_steps": 2, "keep_going": True}), ("run/step_1.npz", {"values": True})):
        here = page_digest(gradclip_cli.report(made / path, **told))
        assert page_digest(gradclip_cli.report(made / path, scheduler=shared_cluster.address, **told)) == here


@pytest.mark.heavy
@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_workers(count: int, dumps: Path, monkeypatch: pytest.MonkeyPatch, sent: list[int]) -> None:
    """Reports of every format are the same with any number of processes of a cluster that the program itself has started."""
    import distributed

    here = [digest(report) for format in FORMATS for _, report in reports(dumps, Way(format), "large")]
    told: dict[str, Any] = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with distributed.LocalCluster(n_workers=count, **told) as local, monkeypatch.context() as patch:
        on(patch, local.scheduler_address)
        there = [digest(report) for format in FORMATS for _, report in reports(dumps, Way(format), "large")]
    assert there == here
    assert sent


def test_a_report_and_the_cache(made: Path, shared_cluster: DaskCluster, tmp_path: Path) -> None:
    """What a cluster has gathered for a report is that of one machine, however early it was looked at, and is kept."""
    expected, address = texts(gradclip_cli.report(made / "run")), shared_cluster.address
    with used_cache(tmp_path):
        found = [gradclip_cli.report(made / "run", cache=True, scheduler=address) for _ in range(3)]
        found.append(gradclip_cli.report(made / "run", cache=True))
    assert [texts(one) for one in found] == [expected] * 4
    assert [one.stats.cached for one in found] == [0, 4, 4, 4]


def test_stats_and_the_cache(
    made: Path, shared_cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read again at the end of a call that keeps the figures of large dumps is read, as without the cache."""
    monkeypatch.setattr(small_dumps, "_TASK_BYTES", 0)
    expected = gradclip_cli.stats(made / "run")
    with used_cache(tmp_path):
        found = gradclip_cli.stats(made / "run", cache=True, scheduler=shared_cluster.address)
    assert expected.peak is not None
    assert found.peak == expected.peak
