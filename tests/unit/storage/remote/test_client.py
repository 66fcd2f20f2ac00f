"""A store is asked as the environment says: with keys or none, by proxies, with authorities of one's own, and by one connection."""

import ctypes
import shutil
import ssl
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.servers.objects import Objects, served
from support.servers.surroundings import HURRIED, environment

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.storage.remote import client as client_module
from gradclip_cli.storage.remote.client import client
from gradclip_cli.storage.remote.objects import objects
from gradclip_cli.storage.remote.settings import Settings, using
from gradclip_cli.storage.remote.urls import parsed


def test_requests_are_signed_unless_they_are_anonymous(server: Objects) -> None:
    """Keys of the environment sign requests; `anonymous` ones are sent without."""
    server.of["bkt/k"] = b"abc"
    assert objects().size("s3://bkt/k") == 3
    assert "Credential=known/" in server.asked[-1].headers["authorization"]
    with using(HURRIED._replace(anonymous=True)):
        objects().forget()
        assert objects().size("s3://bkt/k") == 3
    assert "authorization" not in server.asked[-1].headers


def test_one_client_serves_a_bucket(server: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of one bucket share their connections, until the environment says something else."""
    first = client(parsed("s3://bkt/a"))
    assert client(parsed("s3://bkt/b/c")) is first
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    assert client(parsed("s3://bkt/a")) is not first


def test_users_and_tokens_go_to_their_server_only(server: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user and a password, and the token of the hub, are sent in a header; another host that the server sends on to gets neither."""
    monkeypatch.setenv("HF_TOKEN", "unspoken")
    with served() as other:
        other.of["cdn/g.npz"] = server.of["plain/g.npz"] = b"abc"
        address = server.url.replace("://", "://me%40home:pass%20word@")
        assert objects().size(f"{address}/plain/g.npz") == 3
        assert server.asked[-1].headers["authorization"] == "Basic " + b64encode(b"me@home:pass word").decode()
        server.sent_on["datasets/me/n/resolve/main/g.npz"] = f"{other.url.replace('127.0.0.1', 'localhost')}/cdn/g.npz"
        assert objects().open("hf://datasets/me/n/g.npz").read(0, 3) == b"abc"
        assert server.asked[-1].headers["authorization"] == "Bearer unspoken"
        assert other.asked[-1].range is not None
        assert "authorization" not in other.asked[-1].headers


def test_signed_urls(server: Objects) -> None:
    """The query of a URL is sent as it is, and is in no message."""
    server.of["plain/a b.npz"] = b"abc"
    url = f"{server.url}/plain/a%20b.npz?X-Amz-Signature=un%2Fspoken"
    assert objects().open(url).read(0, 3) == b"abc"
    assert server.asked[-1].query == {"X-Amz-Signature": "un/spoken"}
    with pytest.raises(InputError) as caught:
        objects().open(url.replace("a%20b", "none"))
    assert "spoken" not in str(caught.value)
    assert "plain/none.npz?…: does not exist" in str(caught.value)


def test_proxies(server: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is asked for other hosts."""
    server.of["bkt/k"] = b"abc"
    for name, value in (
        ("AWS_ENDPOINT_URL", "http://s3.invalid"),
        ("AWS_ALLOW_HTTP", "true"),
        ("HTTP_PROXY", server.url),
        ("NO_PROXY", ""),
    ):
        monkeypatch.setenv(name, value)
    assert objects().size("s3://bkt/k") == 3
    assert server.asked[-1].headers["host"] == "s3.invalid"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate with openssl")
def test_an_authority_of_ones_own(tmp_path: Path, server: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose certificate nobody knows is not trusted, unless its authority is named in the environment."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    making = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    extensions = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([*making, *extensions], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with served(context) as secure:
        secure.of["bkt/k"] = b"abc"
        monkeypatch.setenv("AWS_ENDPOINT_URL", secure.url)
        secure.of["datasets/me/n/resolve/main/run/k"] = b"abc"
        monkeypatch.setenv("HF_ENDPOINT", secure.url)
        damaged = tmp_path / "damaged.pem"
        damaged.write_text("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n")

        def asked() -> int:
            return objects().size("s3://bkt/k") + len(objects().entries("hf://datasets/me/n/run"))

        for look in (lambda: objects().size("s3://bkt/k"), lambda: objects().entries("hf://datasets/me/n/run")):
            with pytest.raises(InputError, match="is not trusted; name your own authority in SSL_CERT_FILE"):
                look()
            monkeypatch.setenv("CURL_CA_BUNDLE", str(damaged))
            with pytest.raises(UsageError, match=r"CURL_CA_BUNDLE=.*: holds a damaged certificate"):
                look()
            monkeypatch.delenv("CURL_CA_BUNDLE")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert asked() == 4
        monkeypatch.setenv("AWS_ENDPOINT_URL", secure.url.replace("localhost", "127.0.0.1"))
        monkeypatch.setenv("HF_ENDPOINT", secure.url.replace("localhost", "127.0.0.1"))
        for look in (lambda: objects().size("s3://bkt/k"), lambda: objects().entries("hf://datasets/me/n/run")):
            objects().forget()
            with pytest.raises(InputError, match="certificate of its server is for another name"):
                look()


@pytest.mark.parametrize("url", ["s3://bkt/k", "hf://datasets/me/n/run"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_answers_by_a_proxy(server: Objects, monkeypatch: pytest.MonkeyPatch, url: str, scheme: str) -> None:
    """A proxy at which nobody listens is told from a server, and so is an address that is none."""
    variable, endpoint = f"{scheme.upper()}_PROXY", f"{scheme}://s3.invalid"
    told = environment(endpoint) | {"AWS_ALLOW_HTTP": "true", variable: "http://127.0.0.1:9", "NO_PROXY": ""}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"no proxy listens at 127.0.0.1:9; correct {variable}"):
        objects().entries(url)
    monkeypatch.setenv(variable, "no address")
    with pytest.raises(UsageError, match=f"{variable} must be a proxy"):
        objects().entries(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:9", "no server listens there"), ("http://none.invalid", "there is no server of this name")],
)
def test_nobody_answers(server: Objects, monkeypatch: pytest.MonkeyPatch, url: str, reason: str) -> None:
    """A port at which nobody listens, and a name that nobody has, are told apart."""
    for name, value in (environment(url) | {"AWS_ALLOW_HTTP": "true"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=reason):
        objects().size("s3://bkt/k")


def test_requests_that_would_not_be_encrypted(server: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server elsewhere is not asked without encryption, and the line says what would allow it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio.invalid:9000")
    with pytest.raises(InputError, match="not be encrypted; name one of https://, or set AWS_ALLOW_HTTP=true"):
        objects().size("s3://bkt/k")


def test_answers_that_end_early(server: Objects) -> None:
    """Answers of which the end never comes are told from a server that says nothing."""
    server.of["bkt/k"], server.wrong = b"abc" * 9, lambda asked: "cut"
    with pytest.raises(InputError, match="broke off its answer, again and again; try again"):
        objects().size("s3://bkt/k")


def test_memory_is_shared_by_threads_of_our_own_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line changes how its process takes memory, once; a program that calls our functions keeps its own way."""
    changed: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *what: changed.append(what))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(sys, "platform", "linux")
    client_module._pool.cache_clear()
    for lean, calls in ((False, 0), (True, 1), (True, 1)):
        with using(Settings(connections=1, lean=lean)):
            assert client_module.wait(lambda: 5) == 5
        assert len(changed) == calls
    client_module._pool.cache_clear()
