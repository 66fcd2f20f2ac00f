"""An output is written whole or not at all."""

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.memory_store import MemoryStore, memory_store

from gradclip_cli.errors import OutputError
from gradclip_cli.storage import staged
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.staged import discard_unfinished, tell_placed


def write(target: Path, data: bytes = b"new", overwrite: bool = True) -> None:
    """Write one output from its staging to its commit."""
    with Outputs(overwrite) as outputs:
        staged = outputs.stage(str(target))
        os.write(staged.fd, data)
        outputs.complete(staged)
        outputs.commit()


@pytest.fixture
def umask() -> Iterator[None]:
    """A umask that differs from the usual one."""
    old = os.umask(0o027)
    yield
    os.umask(old)


def test_the_old_file_stays_until_the_commit(tmp_path: Path) -> None:
    """A target is untouched while its successor is written, and replaced at once."""
    target = tmp_path / "out"
    target.write_bytes(b"old")
    with Outputs(overwrite=True) as outputs:
        staged = outputs.stage(str(target))
        os.write(staged.fd, b"new")
        outputs.complete(staged)
        assert target.read_bytes() == b"old"
        outputs.commit()
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("when", ["staged", "written", "complete"])
def test_an_error_leaves_nothing_behind(tmp_path: Path, when: str) -> None:
    """After an error at any point there is the old file and no temporary one."""
    (tmp_path / "old").write_bytes(b"old")

    def fail(outputs: Outputs) -> None:
        for name in ("old", "other"):
            staged = outputs.stage(str(tmp_path / name))
            if when != "staged":
                os.write(staged.fd, b"new")
            if when == "complete":
                outputs.complete(staged)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Outputs(overwrite=True) as outputs:
        fail(outputs)
    assert os.listdir(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_several_outputs_appear_together(tmp_path: Path) -> None:
    """None of several targets is there before the commit, all of them are after it."""
    with Outputs(overwrite=False) as outputs:
        for name in ("a", "b"):
            staged = outputs.stage(str(tmp_path / name))
            os.write(staged.fd, name.encode())
            outputs.complete(staged)
        assert not {"a", "b"} & set(os.listdir(tmp_path))
        outputs.commit()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "a", "b": "b"}


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o640])
def test_the_mode_of_the_old_file_is_kept(tmp_path: Path, mode: int) -> None:
    """A file that is replaced keeps its permissions."""
    target = tmp_path / "out"
    target.touch()
    target.chmod(mode)
    write(target)
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_new_file_honours_the_umask(tmp_path: Path, umask: None) -> None:
    """A new file has the permissions that the umask allows."""
    write(tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_an_unfinished_file_is_private(tmp_path: Path) -> None:
    """While it is written a file can be read by its owner only."""
    with Outputs(overwrite=False) as outputs:
        staged = outputs.stage(str(tmp_path / "out"))
        assert stat.S_IMODE(os.fstat(staged.fd).st_mode) == 0o600


def test_a_symlink_is_followed(tmp_path: Path) -> None:
    """A link stays a link, and the file that it leads to is replaced, in its own folder."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/file")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_bytes() == b"new"


def test_a_broken_symlink_makes_its_file(tmp_path: Path) -> None:
    """A link to nothing is followed to the file that it names."""
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link", overwrite=False)
    assert (tmp_path / "target").read_bytes() == b"new"


def test_another_hard_link_keeps_the_old_file(tmp_path: Path) -> None:
    """A second name of the old file still has the old bytes: it is replaced, not written into."""
    (tmp_path / "a").write_bytes(b"old")
    os.link(tmp_path / "a", tmp_path / "b")
    write(tmp_path / "a")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"old")


def test_an_existing_file_is_refused(tmp_path: Path) -> None:
    """Without overwriting, a file that is there is refused with the way out, and stays."""
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(OutputError, match="exists; give --overwrite"):
        write(tmp_path / "out", overwrite=False)
    assert (tmp_path / "out").read_bytes() == b"old"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is a directory"),
        ("new/", "is a directory"),
        ("new/.", "is a directory"),
        ("missing/out", "directory does not exist"),
    ],
)
def test_targets_that_cannot_be(tmp_path: Path, name: str, reason: str, overwrite: bool) -> None:
    """A directory, and a file in a folder that is not there, are refused before anything is read."""
    with pytest.raises(OutputError, match=reason):
        Outputs(overwrite).check(f"{tmp_path}/{name}")


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    """The temporary name does not grow with the target's, which may be as long as names can be."""
    write(tmp_path / ("n" * 255))
    assert (tmp_path / ("n" * 255)).read_bytes() == b"new"


def test_a_device_is_written_to_and_not_replaced() -> None:
    """/dev/null needs no --overwrite, and is a device afterwards."""
    write(Path(os.devnull), overwrite=False)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_fifo_gets_the_bytes(tmp_path: Path) -> None:
    """A FIFO is poured into, and stays one."""
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    write(fifo, b"data" * 1000, overwrite=False)
    reader.join()
    assert got == [b"data" * 1000]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_discarding_removes_what_is_unfinished(tmp_path: Path) -> None:
    """What a signal interrupts leaves no temporary file."""
    with Outputs(overwrite=False) as outputs:
        outputs.stage(str(tmp_path / "out"))
        assert len(os.listdir(tmp_path)) == 1
        discard_unfinished()
        assert os.listdir(tmp_path) == []


def test_a_second_signal_goes_on_with_discarding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes while the first one removes a file removes all of them, and ends the program."""
    unlink, calls = os.unlink, list[str]()

    def interrupted(path: str) -> None:
        calls.append(path)
        if len(calls) == 1:
            discard_unfinished()
            raise KeyboardInterrupt
        unlink(path)

    with Outputs(overwrite=False) as outputs:
        for name in "abc":
            outputs.stage(str(tmp_path / name))
        monkeypatch.setattr(os, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            discard_unfinished()
        assert os.listdir(tmp_path) == []


def test_nothing_is_created_after_a_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is about to create an output and its directory waits for the end of the program."""
    lock = threading.RLock()
    monkeypatch.setattr(staged, "_creating", lock)
    with Outputs(overwrite=False, folder=str(tmp_path / "out")) as outputs:
        thread = threading.Thread(target=outputs.stage, args=[str(tmp_path / "out" / "a")])
        staged._end()
        thread.start()
        thread.join(0.05)
        assert os.listdir(tmp_path) == []
        lock.release()
        thread.join()
        assert len(os.listdir(tmp_path / "out")) == 1


def test_a_commit_that_fails_midway_says_how_far_it_came(tmp_path: Path) -> None:
    """If one of several targets cannot be replaced, the error counts those that are in place."""
    with Outputs(overwrite=True) as outputs:
        for name in ("a", "b"):
            outputs.complete(outputs.stage(str(tmp_path / name)))
        (tmp_path / "b").mkdir()
        with pytest.raises(OutputError, match="1 of 2 outputs are in place"):
            outputs.commit()
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize(
    ("targets", "bad", "line"),
    [
        ("a", "", "interrupted, but the output is in place: FOLDER/a"),
        ("ab", "", "interrupted, but all 2 outputs are in place: FOLDER/a, FOLDER/b"),
        ("ab", "b", "interrupted, but 1 of 2 outputs are in place: FOLDER/a"),
        ("ab", "a", None),
    ],
)
def test_a_signal_tells_what_is_in_place(tmp_path: Path, targets: str, bad: str, line: str | None) -> None:
    """Outputs that have their names when a signal ends the program stay, and are named, since the exit code says only that it ended."""
    with suppress(OutputError), Outputs(overwrite=True) as outputs:
        for name in targets:
            outputs.complete(outputs.stage(str(tmp_path / name)))
        if bad:
            (tmp_path / bad).mkdir()
        outputs.commit()
    assert tell_placed() == (line and line.replace("FOLDER", str(tmp_path)))


def test_a_stream_is_no_output_that_stays() -> None:
    """What was poured into a device is not said to be in place."""
    write(Path("/dev/null"), overwrite=False)
    assert tell_placed() is None


@pytest.mark.parametrize(("folder", "reason"), [("file", "is not a directory"), ("missing/new", "does not exist")])
def test_a_directory_that_cannot_be_made(tmp_path: Path, folder: str, reason: str) -> None:
    """A file in the way, and a parent that is missing, are errors of the output."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=reason):
        Outputs(False, str(tmp_path / folder)).check(str(tmp_path / folder / "a"))


def test_a_directory_is_made_and_goes_again_if_nothing_comes_of_it(tmp_path: Path) -> None:
    """The directory of several outputs is made with the first of them, and is not left empty by an error."""
    folder = tmp_path / "new"

    def fail() -> None:
        with Outputs(False, str(folder)) as outputs:
            outputs.stage(str(folder / "a"))
            assert folder.is_dir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not folder.exists()


@pytest.mark.parametrize("given", ["new", "new/", "/new"])
def test_every_directory_on_the_way_is_made_and_goes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """All directories between that of the outputs and a target are made, however it is written, and go if nothing is committed."""
    monkeypatch.chdir(tmp_path)
    folder = f"{tmp_path}{given}" if given.startswith("/") else given
    target = Path(folder, "step1", "x", "a")
    with Outputs(False, folder) as outputs:
        outputs.complete(outputs.stage(os.path.join(folder, "step1", "x", "a")))
        assert target.parent.is_dir()
        outputs.commit()
    assert target.is_file()
    with suppress(ZeroDivisionError), Outputs(False, folder) as outputs:
        outputs.stage(os.path.join(folder, "step2", "x", "a"))
        assert Path(folder, "step2", "x").is_dir()
        raise ZeroDivisionError
    assert os.listdir(folder) == ["step1"]


def test_a_file_on_the_way_is_seen_before_anything_is_read(tmp_path: Path) -> None:
    """A file where a directory between has to be is refused, and named."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "step1").touch()
    with pytest.raises(OutputError, match="is not a directory") as caught:
        Outputs(False, str(tmp_path / "new")).check(str(tmp_path / "new" / "step1" / "x" / "a"))
    assert caught.value.path == str(tmp_path / "new" / "step1")


def upload(store: MemoryStore, names: list[str], overwrite: bool = False) -> None:
    """Write outputs to a store, from their staging to their commit."""
    with Outputs(overwrite) as outputs:
        for name in names:
            staged = outputs.stage(f"memory://b/{name}")
            os.write(staged.fd, name.encode())
            outputs.complete(staged)
            assert f"memory://b/{name}" not in store.files
        outputs.commit()


def test_an_upload_is_seen_when_all_are_complete() -> None:
    """What is sent to a store is visible after the commit, and whatever fails before leaves nothing there."""
    with memory_store() as store:
        upload(store, ["x", "folder/y"])
        assert store.files == {"memory://b/x": b"x", "memory://b/folder/y": b"folder/y"}
        with pytest.raises(OutputError, match="memory://b/x: exists"):
            upload(store, ["z", "x"])
        assert store.pending == {}
        assert "memory://b/z" not in store.files


def test_an_upload_may_be_late() -> None:
    """Where another has put a file there meanwhile, what is in place already is named."""
    with memory_store() as store, Outputs(overwrite=False) as outputs:
        for name in "xy":
            outputs.complete(outputs.stage(f"memory://b/{name}"))
        store.files["memory://b/y"] = b"other"
        with pytest.raises(
            OutputError, match=r"memory://b/y: exists; give .*; 1 of 2 outputs are in place: memory://b/x"
        ):
            outputs.commit()
    assert store.files["memory://b/y"] == b"other"
    assert store.pending == {}


def test_two_uploads_to_one_url() -> None:
    """Two outputs cannot have one URL."""
    with memory_store(), Outputs(overwrite=True) as outputs:
        outputs.stage("memory://b/x")
        with pytest.raises(OutputError, match="the same file as another output"):
            outputs.stage("memory://b/x")


def test_what_another_machine_has_sent() -> None:
    """It counts as an output, is shown before what is left here, and is what an error says to be in place."""
    with memory_store() as store, Outputs(overwrite=True) as outputs:
        outputs.complete(outputs.stage("memory://b/index"))
        for name in "xy":
            outputs.take(f"memory://b/{name}", 7, lambda name=name: store.files.update({name: b""}))  # type: ignore[misc]
        with pytest.raises(OutputError, match="the same file as another output"):
            outputs.take("memory://b/y", 7, lambda: None)
        outputs._staged.pop()
        outputs.take("memory://b/z", 7, lambda: outputs.check("memory://read-only/z"))
        with pytest.raises(
            OutputError, match="may not be written; 2 of 4 outputs are in place: memory://b/x, memory://b/y"
        ):
            outputs.commit()
        assert (list(store.files), outputs.files, outputs.nbytes) == (["x", "y"], 4, 21)
