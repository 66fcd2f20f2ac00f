"""How often files are opened: an index once, every file of a dump once to be measured, and once more to be rewritten."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.layouts import WRITERS, Given
from safetensors.numpy import save_file

from gradclip_cli import apply, check, diff, stats
from gradclip_cli.commands.plans import LsPlan
from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Headers
from gradclip_cli.formats.safetensors import reader as format_module
from gradclip_cli.formats.safetensors.header import Header, parse_header
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.opened import OpenDump, reopened
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.pipeline import ls

CLIP: dict[str, Any] = {"strategy": "clip-by-global-norm", "threshold": 1.0}


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count, by name, how often files are opened to be read."""
    counted: Counter[str] = Counter()
    real = os.open

    def counting(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & os.O_ACCMODE == os.O_RDONLY and not os.path.isdir(path):
            counted[os.path.basename(path)] += 1
        return real(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", counting)
    return counted


def expected(given: Given, each: int, index: int = 1, parts: bool = True) -> dict[str, int]:
    """So many opens of every file, of an index, and one more of each file whose header tells the layout.

    Without `parts`, files that are given by themselves are not asked whether they are parts of one dump.
    """
    found = Counter({path.name: index if path.suffix == ".json" else each for path in given.files})
    found.update(path.name for path in given.glanced if parts or given.paths != given.glanced)
    if given.options.get("shards") and parts:  # files of ranks without a step are asked for it
        found.update(path.name for path in given.files)
    return dict(found)


def ends_well(given: Given, out: Path) -> Sequence[tuple[Callable[[], object], dict[str, int]]]:
    """Commands, and how often they may open the files of a dump."""
    paths = list(map(str, given.paths))
    again = expected(given, min(2, len(given.dumps)))  # one tensor of the largest of several dumps is read again
    return [
        (lambda: stats(paths, **given.options), again),
        (lambda: stats(paths, allow_missing=True, **given.options), again),
        (lambda: check(paths, **given.options), expected(given, 1)),
        (lambda: ls(LsPlan(find_dumps(paths, Choices(everything=True)).sources)), expected(given, 1, parts=False)),
        (lambda: apply(paths, dry_run=True, **CLIP, **given.options), expected(given, 2)),
        (lambda: apply(paths, out, **CLIP, **given.options), expected(given, 2, index=2)),
    ]


@pytest.mark.parametrize("command", range(6), ids=["stats", "allow-missing", "check", "ls", "dry-run", "apply"])
@pytest.mark.parametrize("layout", sorted(WRITERS.keys() - {"dcp: copies"}))
def test_each_file_is_opened_once_a_pass(layout: str, command: int, tmp_path: Path, opens: Counter[str]) -> None:
    """Whatever the layout, a pass opens each file once; an index is opened where dumps are found, and where it is copied."""
    (tmp_path / "in").mkdir()
    given = WRITERS[layout](tmp_path / "in")
    run, wanted = ends_well(given, tmp_path / ("out.safetensors" if len(given.files) == 1 else "out"))[command]
    opens.clear()
    run()
    assert {name: opens[name] for name in wanted} == wanted


def test_copies_are_read_once_more(tmp_path: Path, opens: Counter[str]) -> None:
    """What is said to be a copy is compared with its original in one more reading."""
    given = WRITERS["dcp: copies"](tmp_path)
    opens.clear()
    stats(given.paths)
    assert opens == expected(given, 2)


@pytest.mark.parametrize("layout", ["single", "index", "numbered", "params"])
def test_diff_opens_both_dumps_once(layout: str, tmp_path: Path, opens: Counter[str]) -> None:
    """Two dumps are read side by side, each file once."""
    sides = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sides.append(WRITERS[layout](tmp_path / name))
    opens.clear()
    assert diff(*(side.paths[0] for side in sides)).equal
    assert opens == {name: 2 * count for name, count in expected(sides[0], 1).items()}


def test_a_series_opens_each_dump_once(tmp_path: Path, opens: Counter[str]) -> None:
    """Of several dumps each is opened once, whether or not they hold the same tensors."""
    paths = [tmp_path / f"step{k}.safetensors" for k in range(4)]
    for k, path in enumerate(paths):
        save_file({"a.w": np.array([k, 1], np.float32), **({"b.w": np.ones(2, np.float32)} if k else {})}, path)
    opens.clear()
    stats(paths, allow_missing=True)
    assert opens == {path.name: 1 for path in paths}
    opens.clear()
    stats(paths[1:])
    assert opens == {path.name: 1 for path in paths[1:]}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the safetensors headers that are parsed, by their size."""
    sizes: list[int] = []

    def parse(data: bytes, size: int, path: str) -> Header:
        sizes.append(len(data))
        return parse_header(data, size, path)

    monkeypatch.setattr(format_module, "parse_header", parse)
    return sizes


def test_headers_are_parsed_once_a_call(tmp_path: Path, parsed: list[int]) -> None:
    """The second pass of `apply` takes headers from the first, also of several files, and nothing outlives the call."""
    given = WRITERS["index"](tmp_path)
    for _ in range(2):
        parsed.clear()
        apply(given.paths, dry_run=True, **CLIP)
        assert len(parsed) == len(given.files) - 1


def test_dumps_of_a_series_have_one_header(tmp_path: Path, parsed: list[int]) -> None:
    """A header with the bytes of the one before it is not parsed again; another one is."""
    paths = [tmp_path / f"step{k}.safetensors" for k in range(4)]
    for k, path in enumerate(paths):
        save_file({"a.w": np.array([k, 1], np.float32)}, path, {"odd": "1"} if k == 2 else None)
    stats(paths)
    assert len(parsed) == 3


def test_a_folder_is_told_without_parsing_a_long_header(tmp_path: Path, parsed: list[int]) -> None:
    """Where the first file of a folder holds several tensors, its header is parsed once, when it is read as a dump."""
    for k in range(2):
        save_file(
            {"a.w": np.array([k], np.float32), "b.w": np.array([1], np.float32)}, tmp_path / f"step{k}.safetensors"
        )
    stats(tmp_path)
    assert len(parsed) == 1


def test_what_is_known_of_a_file_is_not_taken_for_another(tmp_path: Path) -> None:
    """The tensors of a file that was replaced by one of the same size are those of the new one."""
    headers, path = Headers(keep=True), tmp_path / "g.safetensors"
    for name in ("a.w", "b.w"):
        save_file({name: np.array([1], np.float32)}, tmp_path / "new")
        (tmp_path / "new").replace(path)
        with OpenDump(single(str(path)), Selection(), headers) as dump:
            (file,) = dump.all()
            assert [spec.name for spec in file.tensors] == [name]


def test_a_file_that_changed_is_not_opened_again(tmp_path: Path) -> None:
    """For another pass a file has to be what it was."""
    path = tmp_path / "g.safetensors"
    save_file({"a.w": np.array([1], np.float32)}, path)
    with OpenDump(single(str(path)), Selection()) as dump:
        assert dump.all()[0].path == str(path)
    save_file({"a.w": np.array([2, 3], np.float32)}, path)
    with pytest.raises(InputError, match="changed while it was read"), reopened(dump.files[0], Selection()):
        pytest.fail("opened")


def test_no_more_than_one_file_is_open_at_a_time(tmp_path: Path) -> None:
    """Files are opened in turn and closed; what is left open is closed with the dump."""
    given = WRITERS["numbered"](tmp_path)
    (source,) = find_dumps([str(given.paths[0])]).sources
    before = len(os.listdir("/dev/fd"))
    with OpenDump(source, Selection()) as dump:
        for _ in dump.each():
            assert len(os.listdir("/dev/fd")) == before + 1
        assert len(os.listdir("/dev/fd")) == before
    with OpenDump(source, Selection()) as dump:
        next(dump.each())
    assert len(os.listdir("/dev/fd")) == before
