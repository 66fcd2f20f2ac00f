"""Servers of others, moto for S3 and azurite for Azure, are read and written as our own is, which does what we think stores do."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from support.official import save
from support.servers.surroundings import HURRIED, alone, environment

import gradclip_cli
from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats import FORMATS, by_name
from gradclip_cli.storage.remote.objects import objects
from gradclip_cli.storage.remote.settings import using
from gradclip_cli.storage.remote.uploads import PART

MOTO, AZURITE = (os.path.abspath(path) if (path := os.environ.get(name)) else "" for name in ("MOTO", "AZURITE"))
pytestmark = [pytest.mark.remote, pytest.mark.skipif(not (MOTO and AZURITE), reason="make remote names the servers")]

ARRAYS = {f"layers.{k}.weight": np.random.default_rng(k).normal(size=(400, 900)).astype("f4") for k in range(14)}
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # the one that all emulators have


@contextmanager
def running(argv: list[str], port: int, folder: Path) -> Iterator[str]:
    """Run a server until its port answers, and end it afterwards."""
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log) as process:
        try:
            for _ in range(600):
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module", params=["s3", "az"])
def bucket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty bucket of a server."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    if request.param == "s3":
        argv = [MOTO, "-H", "127.0.0.1", "-p", str(port)]
    else:
        argv = [
            "node",
            AZURITE,
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            str(port),
            "--skipApiVersionCheck",
            "--loose",
            "-l",
            ".",
        ]
    with running(argv, port, folder) as url, alone() as patch, using(HURRIED._replace(timeout=30)):
        names = environment(url) if request.param == "s3" else azure(url)
        for name, value in names.items():
            patch.setenv(name, value)
        make_bucket(request.param, url)
        yield f"{request.param}://bucket"


def azure(url: str) -> dict[str, str]:
    """The variables by which a program finds a server of Azure."""
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
        "AZURE_STORAGE_ACCOUNT_KEY": _KEY,
        "AZURE_STORAGE_ENDPOINT": f"{url}/devstoreaccount1",
        "AZURE_ALLOW_HTTP": "true",
    }


def make_bucket(scheme: str, url: str) -> None:
    """Make the bucket `bucket`, or the container, which obstore cannot."""
    if scheme == "s3":
        with urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT")) as answer:
            assert answer.status == 200
        return
    import base64
    import hmac
    from email.utils import formatdate

    date = formatdate(usegmt=True)
    head = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
    text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\n{head}/devstoreaccount1/devstoreaccount1/bucket\nrestype:container"
    signature = base64.b64encode(hmac.digest(base64.b64decode(_KEY), text.encode(), "sha256")).decode()
    headers = {
        "x-ms-date": date,
        "x-ms-version": "2021-08-06",
        "Authorization": f"SharedKey devstoreaccount1:{signature}",
    }
    request = urllib.request.Request(f"{url}/devstoreaccount1/bucket?restype=container", method="PUT", headers=headers)
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


def put(url: str, data: bytes, *, overwrite: bool = True) -> None:
    """Put an object into a bucket."""
    upload = objects().upload(url, overwrite)
    fd = os.memfd_create("object")
    try:
        os.write(fd, data)
        upload.send(fd, len(data))
        upload.commit()
    finally:
        os.close(fd)
        upload.abort()


@pytest.mark.parametrize("format", FORMATS)
def test_outputs_and_reports(bucket: str, tmp_path: Path, format: str) -> None:
    """A dump of 20 MB is put there, listed, measured and clipped; the output is the same as here."""
    suffix = by_name(format).suffixes[0]
    here, clipped = save(tmp_path, format, ARRAYS), tmp_path / f"clipped{suffix}"
    there = f"{bucket}/{format}/a b%20é{suffix}"
    put(there, here.read_bytes())
    assert [dump.norm for dump in gradclip_cli.stats(there).dumps] == [
        dump.norm for dump in gradclip_cli.stats(here).dumps
    ]
    assert [entry.name for entry in objects().entries(f"{bucket}/{format}")] == [f"a b%20é{suffix}"]
    gradclip_cli.apply(here, clipped, strategy="clip-by-global-norm", threshold=1.0)
    gradclip_cli.apply(there, f"{bucket}/{format}-out{suffix}", strategy="clip-by-global-norm", threshold=1.0)
    with objects().open(f"{bucket}/{format}-out{suffix}") as file:
        assert file.read(0, file.size) == clipped.read_bytes()


def test_what_has_changed(bucket: str) -> None:
    """An object that is replaced while it is read is refused."""
    put(f"{bucket}/changing", bytes(20 << 20))
    with objects().open(f"{bucket}/changing") as file:
        put(f"{bucket}/changing", b"x" * (20 << 20))
        with pytest.raises(InputError, match="changed while it was read"):
            file.read(10 << 20, 1 << 20)


@pytest.mark.parametrize("nbytes", [10, 2 * PART])
def test_what_exists(bucket: str, nbytes: int) -> None:
    """An output that is there by now is not replaced unless that was asked for."""
    url = f"{bucket}/there-{nbytes}"
    put(url, bytes(nbytes), overwrite=False)
    with pytest.raises(OutputError, match="exists; give --overwrite"):
        put(url, b"x" * nbytes, overwrite=False)
    put(url, b"x" * nbytes)


def test_an_empty_object_and_none(bucket: str) -> None:
    """An empty object has no bytes; a key that is not there, and a bucket, are told apart."""
    put(f"{bucket}/empty", b"")
    assert objects().open(f"{bucket}/empty").size == 0
    for url, reason in (
        (f"{bucket}/none", "does not exist"),
        (bucket.replace("bucket", "nobucket") + "/k", "no such bucket"),
    ):
        with pytest.raises(InputError, match=reason):
            objects().open(url)


def test_a_dropped_upload(bucket: str) -> None:
    """What is sent and dropped is never seen."""
    upload = objects().upload(f"{bucket}/dropped", overwrite=True)
    fd = os.memfd_create("object")
    os.write(fd, bytes(3 * PART))
    upload.send(fd, 3 * PART)
    os.close(fd)
    upload.abort()
    assert not objects().exists(f"{bucket}/dropped")
    if bucket.startswith("s3"):
        with urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/bucket?uploads") as answer:
            assert b"<Upload>" not in answer.read()


def test_more_keys_than_one_answer_holds(bucket: str) -> None:
    """A folder of 1,200 keys is listed to its end."""
    for k in range(1200):
        put(f"{bucket}/many/{k}", b"x")
    assert len(objects().entries(f"{bucket}/many")) == 1200
    url = f"{bucket}/many/7"
    assert objects().fingerprint(url, recent=True) == objects().fingerprint(url)
