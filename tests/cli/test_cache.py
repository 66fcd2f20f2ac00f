"""`--cache` and `gradclip cache`: one note where the cache cannot be used, and never anything but the right figures."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.cache import counted_reads, used_cache
from support.command import GRADCLIP, Run, Save

from gradclip_cli.render.html import page
from gradclip_cli.storage import results_file


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """The file of the cache, which is not there yet."""
    with used_cache(tmp_path / "cache") as path:
        yield path


@pytest.fixture
def dumps(save: Save) -> str:
    """Three steps, in a folder."""
    Path("run").mkdir()
    for step in (1, 2, 3):
        save(f"run/step_{step}.npz", w=np.full((2, 2), step, np.float32))
    return "run"


def test_a_table_has_one_note(run: Run, cache: Path, dumps: str) -> None:
    """Where figures come from the cache, a note says of how many dumps, and JSON has their number; `-q` is silent."""
    plain = run("stats", dumps)
    assert run("stats", dumps, "--cache") == plain
    cached = run("stats", dumps, "--cache")
    assert (cached.out, cached.err) == (plain.out, "note: 3 of 3 dumps not read again (--cache)\n")
    assert run("stats", dumps, "--cache", "--skip-steps", "1").err == "note: 2 of 2 dumps not read again (--cache)\n"
    assert run("stats", dumps, "--cache", "-q").err == ""
    assert run("stats", dumps, "--cache", "--no-cache") == plain
    assert json.loads(run("stats", dumps, "--cache", "--json").out)["cached"] == 3
    assert "cached" not in json.loads(run("stats", dumps, "--json").out)


def test_a_configuration_file_may_ask_for_it(run: Run, cache: Path, dumps: str) -> None:
    """`cache = true` is --cache, and --no-cache wins over it."""
    Path("c.toml").write_text("cache = true")
    run("stats", dumps, "--config", "c.toml")
    assert "3 of 3" in run("stats", dumps, "--config", "c.toml").err
    assert run("stats", dumps, "--config", "c.toml", "--no-cache").err == ""


def test_a_file_for_several_commands_may_ask_for_it(run: Run, cache: Path, dumps: str) -> None:
    """Commands that have no --cache pass over `cache = true`; what is no yes or no is wrong for all."""
    Path("c.toml").write_text("cache = true")
    assert run("check", dumps, "--config", "c.toml").code == run("check", dumps).code
    assert run("apply", dumps, "-t", "1", "--dry-run", "--config", "c.toml").code == 0
    assert not cache.exists()
    Path("c.toml").write_text("cache = 3")
    for command in ("check", "stats"):
        found = run(command, dumps, "--config", "c.toml")
        assert (found.code, "c.toml: cache must be true or false" in found.err) == (2, True)


def test_a_report_says_what_is_from_there(run: Run, cache: Path, dumps: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes say of how many dumps of each run a page is not from a reading, and `-q` is silent."""
    monkeypatch.setattr(page, "static_page", lambda report: f"{report.title}\n")
    call = "report", dumps, "-o", "page.html", "--static", "--overwrite", "--cache"
    assert (run(*call).code, run("cache", "info").code) == (0, 0)
    assert run(*call).err == "note: 3 of 3 dumps not read again (--cache)\n"
    run("stats", f"{dumps}/step_2.npz", "--cache")
    found = run(*call, "--against", f"{dumps}/step_2.npz")
    assert "note: 1 of 1 dump of --against not read again (--cache)\n" in found.err
    assert run(*call, "-q").err == ""


@pytest.mark.heavy
def test_a_page_is_the_same_to_the_byte(run: Run, cache: Path, dumps: str) -> None:
    """Nothing of the cache shows on a page, with scripts or without."""
    for how in ((), ("--static",)):
        for name, more in (("plain", ()), ("first", ("--cache",)), ("second", ("--cache",))):
            assert run("report", dumps, "-o", name, *how, *more, "--overwrite").code == 0
        assert Path("plain").read_bytes() == Path("first").read_bytes() == Path("second").read_bytes()


def test_it_is_shown_and_cleared(run: Run, cache: Path, dumps: str) -> None:
    """`cache info` counts what there is, `cache clear` removes it; each may be done without any."""
    assert json.loads(run("cache", "info", "--json").out)["cache"][0]["results"] == 0
    run("stats", dumps, "--cache")
    (row,) = json.loads(run("cache", "info", "--json").out)["cache"]
    assert row == {"path": str(cache), "results": 4, "bytes": cache.stat().st_size, "trouble": None}
    assert cache.stat().st_mode & 0o777 == 0o600
    assert json.loads(run("cache", "clear", "--json").out)["cache"] == [row]
    assert not cache.exists()
    assert run("cache", "clear").code == 0


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database, whatever its name says" * 100)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 2")


def _foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE results (x)")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_garbage, "file is not a database"),
        (_cut, "database disk image is malformed"),
        (_newer, "was written by another version of gradclip"),
        (_foreign, "is no cache of gradclip"),
    ],
)
def test_a_damaged_cache_is_noted(run: Run, cache: Path, dumps: str, harm: Callable[[Path], None], said: str) -> None:
    """What is no cache is said in one note, and dumps are read; `cache clear` removes it, and all is well again."""
    plain = run("stats", dumps)
    run("stats", dumps, "--cache")
    harm(cache)
    what = f"note: {cache}: {said}, so dumps are read without the cache; `gradclip cache clear` removes it\n"
    assert run("stats", dumps, "--cache") == (type(plain)(0, plain.out, what))
    assert json.loads(run("cache", "info", "--json").out)["cache"][0]["trouble"] == said
    run("cache", "clear")
    run("stats", dumps, "--cache")
    assert "3 of 3" in run("stats", dumps, "--cache").err


def test_other_bytes_are_never_taken(run: Run, cache: Path, dumps: str) -> None:
    """A result whose bytes have changed is not that of any dump, and is found anew."""
    plain = run("stats", dumps)
    run("stats", dumps, "--cache")
    with closing(sqlite3.connect(cache)) as file, file:
        file.execute("UPDATE results SET body = CAST(zeroblob(length(body)) AS BLOB)")
    with counted_reads() as read:
        assert run("stats", dumps, "--cache") == plain
    assert len({*read}) == 3
    assert "3 of 3" in run("stats", dumps, "--cache").err


def test_a_cache_that_is_locked_full_or_read_only(
    run: Run, cache: Path, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be put into it, or it cannot be read now, one note says so."""
    dumps = save("wide.npz", **{f"layer{k}.w": np.full((2, 2), k, np.float32) for k in range(300)})  # several pages
    plain, connected = run("stats", dumps), results_file._connected

    def limited(pragma: str) -> Callable[[str], sqlite3.Connection]:
        def connect(path: str) -> sqlite3.Connection:
            found = connected(path)
            found.execute(f"PRAGMA {pragma}")
            return found

        return connect

    for pragma, said in (("max_page_count = 1", "database or disk is full"), ("query_only = ON", "readonly database")):
        monkeypatch.setattr(results_file, "_connected", limited(pragma))
        found = run("stats", dumps, "--cache")
        assert (found.code, found.out, found.err.count("\n")) == (0, plain.out, 1)
        assert said in found.err
    monkeypatch.setattr(results_file, "_connected", connected)
    monkeypatch.setattr(results_file, "_PATIENCE", 0.01)
    with closing(sqlite3.connect(cache, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        found = run("stats", dumps, "--cache")
        assert (found.code, found.out, found.err.count("\n"), "locked" in found.err) == (0, plain.out, 1, True)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    found = run("stats", dumps, "--cache")
    what = (
        "not a directory, so dumps are read without the cache; set XDG_CACHE_HOME to a directory that may be written to"
    )
    assert found == type(found)(0, plain.out, f"note: /dev/null/nowhere/gradclip/results.sqlite: {what}\n")


def test_the_oldest_results_make_room(run: Run, cache: Path, dumps: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is as large as it may be drops the quarter that was kept first, and the tensors of nothing else."""
    run("stats", f"{dumps}/step_1.npz", "--cache")
    monkeypatch.setattr(results_file, "_MOST_BYTES", 1)
    run("stats", f"{dumps}/step_2.npz", "--cache")
    with closing(sqlite3.connect(cache)) as file:
        assert file.execute("SELECT count(*) FROM results").fetchone() == (1,)
        assert file.execute("SELECT count(*) FROM headers").fetchone() == (1,)
    assert "1 of 1" in run("stats", f"{dumps}/step_2.npz", "--cache").err


def test_two_processes_at_once(cache: Path, dumps: str) -> None:
    """Processes that begin a cache at the same time all succeed, say the same, and leave one whole cache."""
    started = [
        subprocess.Popen([*GRADCLIP, "stats", dumps, "--cache", "-f", "csv"], stdout=subprocess.PIPE, env=os.environ)
        for _ in range(2)
    ]
    found = [(process.communicate(timeout=60)[0], process.returncode) for process in started]
    assert found[0] == found[1]
    assert found[0][1] == 0
    with closing(sqlite3.connect(cache)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("report", "log.csv", "-o", "x.html", "--cache"), "--cache is for gradients, and log.csv is a log of norms"),
        (("stats", "log.csv", "--cache"), "--cache is for gradients, and log.csv is a log of norms"),
        (("cache", "forget"), "'forget' is not one of"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, cache: Path, dumps: str, argv: tuple[str, ...], said: str) -> None:
    """An option that would do nothing is wrong usage."""
    Path("log.csv").write_text("step,grad_norm\n1,0.5\n2,0.6\n")
    found = run(*argv)
    assert (found.code, said in found.err) == (2, True)


def test_standard_input_is_never_kept(spawn: Run, cache: Path, dumps: str) -> None:
    """What comes through a pipe or a descriptor has no state that can be told again."""
    for path in ("-", "/dev/stdin"):
        with Path("run/step_1.npz").open("rb") as file:
            assert json.loads(spawn("stats", path, "--cache", "--json", stdin=file).out)["cached"] == 0


def test_it_is_told_what_to_do(run: Run) -> None:
    """Without a word for what to do there is one line, which has both."""
    found = run("cache")
    assert (found.code, found.err.splitlines()[-1]) == (2, "Error: say what to do: info or clear")
