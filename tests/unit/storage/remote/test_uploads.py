"""An output is seen whole or not at all, and nothing of it is left behind."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.servers.objects import Asked, Objects

from gradclip_cli.errors import OutputError
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.remote import uploads
from gradclip_cli.storage.remote.objects import objects
from gradclip_cli.storage.remote.uploads import PART, ObjectUpload, drop_all

LARGE = np.random.default_rng(0).bytes(3 * PART + 1)
SMALL = b"abc"


@pytest.fixture
def send(server: Objects) -> Iterator[Callable[[bytes, bool], ObjectUpload]]:
    """Sends bytes to a bucket, without putting them in place."""
    server.of["bkt/other"] = b""
    begun = []

    def sent(data: bytes, overwrite: bool = False, url: str = "s3://bkt/g.npz") -> ObjectUpload:
        upload = objects().upload(url, overwrite)
        begun.append(upload)
        fd = os.memfd_create("output")
        os.write(fd, data)
        try:
            upload.send(fd, len(data))
        finally:
            os.close(fd)
        return upload

    yield sent
    for upload in begun:
        upload.abort()


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_an_output_is_seen_when_it_is_put_in_place(
    server: Objects, send: Callable[..., ObjectUpload], scheme: str, data: bytes
) -> None:
    """Everything is sent first; the last request makes the object, of exactly these bytes."""
    upload = send(data, url=f"{scheme}://bkt/g.npz")
    assert "bkt/g.npz" not in server.of
    upload.commit()
    assert server.of["bkt/g.npz"] == data
    assert server.uploads == {}
    upload.abort()
    assert server.of["bkt/g.npz"] == data


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_a_dropped_output_leaves_nothing(server: Objects, send: Callable[..., ObjectUpload], data: bytes) -> None:
    """What is not put in place was never there, and no part of it is left in the store."""
    send(data).abort()
    assert (server.uploads, list(server.of)) == ({}, ["bkt/other"])


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_object_that_has_come_meanwhile(
    server: Objects, send: Callable[..., ObjectUpload], data: bytes, overwrite: bool
) -> None:
    """A file that somebody else wrote meanwhile is replaced only if that was asked for."""
    upload = send(data, overwrite)
    server.of["bkt/g.npz"] = b"theirs"
    if overwrite:
        upload.commit()
        assert server.of["bkt/g.npz"] == data
        return
    with pytest.raises(OutputError, match="exists; give --overwrite"):
        upload.commit()
    upload.abort()
    assert (server.of["bkt/g.npz"], server.uploads) == (b"theirs", {})


@pytest.mark.parametrize("step", ["POST uploads", "PUT 1", "PUT 2", "PUT 4", "POST uploadId"])
def test_a_large_output_that_fails(server: Objects, send: Callable[..., ObjectUpload], step: str) -> None:
    """Whichever request fails, the error is one line, nothing is seen, and no part is left."""
    method, _, what = step.partition(" ")

    def wrong(asked: Asked) -> str:
        hit = asked.query.get("partNumber") == what if method == "PUT" else what in asked.query
        return "403" if asked.method == method and hit else ""

    server.wrong = wrong
    with pytest.raises(OutputError, match=r"may not be written \(403\)") as caught:
        send(LARGE).commit()
    assert str(caught.value).startswith("s3://bkt/g.npz: ")
    assert (server.uploads, list(server.of)) == ({}, ["bkt/other"])


def test_a_store_that_cannot_refuse(server: Objects, send: Callable[..., ObjectUpload]) -> None:
    """Where a store knows no conditional write, it is asked before whether the object is there."""
    server.wrong = lambda asked: "501" if "if-none-match" in asked.headers else ""
    send(SMALL).commit()
    assert server.of["bkt/g.npz"] == SMALL
    with pytest.raises(OutputError, match="exists"):
        send(SMALL).commit()


def test_a_signal_drops_what_is_under_way(server: Objects, send: Callable[..., ObjectUpload]) -> None:
    """What is called before a signal ends the program leaves no part in the store."""
    upload = send(LARGE)
    assert len(server.uploads) == 1
    drop_all()
    assert (server.uploads, list(server.of)) == ({}, ["bkt/other"])
    upload.abort()


@pytest.mark.parametrize(("wrong", "is_left"), [("403", True), ("stall", True), ("404", False), ("", False)])
def test_what_could_not_be_dropped_is_named(
    server: Objects,
    send: Callable[..., ObjectUpload],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    wrong: str,
    is_left: bool,
) -> None:
    """Before a signal ends the program, a line names an upload of which the store may have kept parts; of others there is none."""
    monkeypatch.setattr(uploads, "_PATIENCE", 0.3)
    server.wrong = lambda asked: wrong if asked.method == "DELETE" else ""
    upload = send(LARGE)
    line = drop_all()
    assert (line is not None) is is_left
    assert line is None or ("upload to s3://bkt/g.npz; a lifecycle rule" in line and "\n" not in line)
    server.wrong = lambda asked: ""
    server.released.set()
    assert upload.abort() is (wrong == "403")


def test_an_error_names_what_could_not_be_dropped(server: Objects, tmp_path: Path) -> None:
    """The error of an output says that the store may have kept parts of it, where it refuses to drop them."""
    server.of["bkt/other"] = b""

    def fail() -> None:
        with Outputs(overwrite=True) as outputs:
            staged = outputs.stage("s3://bkt/g.npz")
            os.write(staged.fd, LARGE)
            outputs.complete(staged)
            outputs.check("s3://bkt/other/")

    for wrong, said in (("", ""), ("403", "; the store may have kept parts of the upload to s3://bkt/g.npz; ")):
        server.wrong = lambda asked, wrong=wrong: wrong if asked.method == "DELETE" else ""  # type: ignore[misc]
        with pytest.raises(OutputError, match=f"give a file name for the output{said}") as caught:
            fail()
        assert ("may have kept" in str(caught.value)) is bool(wrong)


def test_many_small_outputs_are_one_request_each(
    server: Objects, send: Callable[..., ObjectUpload], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small outputs wait in memory up to a limit, and the others in one file; nothing of them is left when they are in place."""
    monkeypatch.setattr(uploads, "_KEPT", 10)
    before = len(os.listdir("/dev/fd"))
    waiting = [send(f"12345{number}".encode(), url=f"s3://bkt/{number}") for number in range(5)]
    assert (server.uploads, [asked for asked in server.asked if asked.method != "GET"]) == ({}, [])
    assert len(os.listdir("/dev/fd")) == before + 1
    waiting[1].abort()
    for number in (4, 0, 2, 3):
        waiting[number].commit()
    assert {name: server.of.get(f"bkt/{name}") for name in range(5)} == {
        name: f"12345{name}".encode() if name != 1 else None for name in range(5)
    }
    assert [asked.method for asked in server.asked] == ["PUT"] * 4
    assert (uploads._Small._room._fd, uploads._Small._held) == (-1, 0)
