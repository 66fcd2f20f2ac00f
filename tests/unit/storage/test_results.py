"""Results are found again by place and state, in a file or in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gradclip_cli.storage.results import Key, Result, ResultsOfProcess, digest_of
from gradclip_cli.storage.results_file import ResultsFile

Results = ResultsFile | ResultsOfProcess


@pytest.mark.parametrize("make", [lambda folder: ResultsFile(str(folder / "a" / "b")), lambda _: ResultsOfProcess()])
def test_results_are_kept_by_place_and_state(make: Callable[[Path], Results], tmp_path: Path) -> None:
    """A place has one result, that of its last state; thousands can be asked for at once; a header is found by its name."""
    results = make(tmp_path)
    some = [Result(b"place%d" % k, b"1", digest_of(b"head"), b"x" * k) for k in range(1100)]
    results.put(some, [b"head"])
    results.put([Result(b"place7", b"2", digest_of(b"head"), b"new")], [])
    keys = [Key(*one[:2]) for one in some]
    others = [one for one in some if one.place != b"place7"]
    assert results.sizes(keys) == {Key(*one[:2]): len(one.body) for one in others}
    assert results.get([*keys, Key(b"none", b"1")]) == {Key(*one[:2]): one for one in others}
    assert results.get([Key(b"place7", b"2")])[Key(b"place7", b"2")].body == b"new"
    assert (results.header(digest_of(b"head")), results.header(b"other")) == (b"head", None)
    assert results.trouble == ""
    results.close()


def test_parts_of_a_digest_do_not_run_into_each_other() -> None:
    """Where a part ends matters."""
    assert digest_of(b"ab", b"c") != digest_of(b"a", b"bc")
