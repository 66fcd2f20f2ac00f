"""Ask a store by obstore: the one module that calls it. What it raises leaves this module as an error of ours, or as a `Failure`.

Every request runs in a thread of our own, of which there are as many as connections: whoever waits for one can be interrupted,
which a thread that waits inside obstore cannot.
"""

import ctypes
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from gradclip_cli.storage.remote.credentials import check_found, check_variables, endpoint, profile_of_aws
from gradclip_cli.storage.remote.network import AUTHORITIES, authorities, damaged_authorities, proxy_of
from gradclip_cli.storage.remote.settings import TRIES, Settings, current, own_store
from gradclip_cli.storage.remote.urls import Url, is_loopback, is_true

Result = TypeVar("Result")

FAILURES = (BaseError, FileNotFoundError, PermissionError, ValueError)
"""What obstore raises for what is not there, not allowed, or goes wrong."""

_PARTS_AT_ONCE = 6
_LEAST_PART = 256 << 10
"""Bytes of an answer that are at least handed over at once: they are received in parts of some 400 kB."""
_VARIABLES = ("AWS_", "GOOGLE_", "AZURE_", "HF_", "STORAGE_EMULATOR", "HTTP", "ALL_PROXY", "NO_PROXY", *AUTHORITIES)
"""How variables begin that a store looks at."""


class Meta(NamedTuple):
    """What a store says of an object with every answer: its size, and its ETag, which may be missing."""

    size: int
    etag: str
    modified: str

    @property
    def state(self) -> str:
        """What changes when the object does."""
        return self.etag or self.modified

    @property
    def pin(self) -> str | None:
        """What a request can ask for, to get this very state; None for a weak ETag, which matches no request."""
        return self.etag if self.etag and not self.etag.startswith("W/") else None


class Answer(NamedTuple):
    """A range of an object, in the parts in which it came or in one, and what the store said of the object with it."""

    meta: Meta
    parts: list[memoryview]

    @property
    def nbytes(self) -> int:
        """How many bytes came."""
        return sum(map(len, self.parts))


class Listed(NamedTuple):
    """The names in a folder: files with what the store says of them, and folders."""

    files: dict[str, Meta]
    folders: list[str]


@cache
def _pool(process: int, connections: int, lean: bool) -> ThreadPoolExecutor:
    if lean:
        _share_memory()
    return ThreadPoolExecutor(connections, thread_name_prefix=f"remote-{process}")


_ARENAS = -8  # M_ARENA_MAX


def _share_memory() -> None:
    """Let all threads take memory from one place, where the system's library gives each its own: what they free serves the next."""
    change = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if change is not None:
        change(_ARENAS, 1)


def begin(task: Callable[[], Result]) -> "Future[Result]":
    """Begin a request when one of the connections is free."""
    return _pool(os.getpid(), current().connections, current().lean).submit(copy_context().run, task)


def wait(task: Callable[[], Result]) -> Result:
    """Make a request, and wait for it where a signal can be handled meanwhile."""
    future = begin(task)
    try:
        return future.result()
    finally:
        future.cancel()


class Client:
    """Asks a store, of a bucket or a server, which connects when it is first needed."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, key: str, start: int, stop: int, pin: str | None = None, *, whole: bool = True) -> Answer:
        """Return bytes `start` to `stop` of an object, or fewer where it ends; with `pin`, only of that state.

        Unless they are wanted as a `whole`, they stay where they were received, which saves time and memory.
        """
        options: Any = {"range": (start, stop)} | ({"if_match": pin} if pin else {})
        result = obstore.get(self._store, key, options=options)
        parts = [result.bytes()] if whole else result.stream(min_chunk_size=_LEAST_PART)
        return Answer(_meta(result.meta), [memoryview(part) for part in parts])

    def head(self, key: str) -> Meta:
        """Return what the store says of an object."""
        return _meta(obstore.head(self._store, key))

    def listing(self, folder: str) -> Listed:
        """Return what stands under a prefix up to the next slash."""
        found = obstore.list_with_delimiter(self._store, folder or None)
        cut = len(folder) + 1 if folder else 0
        files = {one["path"][cut:]: _listed(one) for one in found["objects"] if len(one["path"]) > cut}
        return Listed(files, [path[cut:] for path in found["common_prefixes"]])

    def put(self, key: str, data: bytes, *, only_new: bool) -> None:
        """Write a small object; raise if it exists and must be new."""
        obstore.put(self._store, key, data, mode="create" if only_new else "overwrite", use_multipart=False)

    def put_parts(self, key: str, parts: Iterator[bytes], size: int) -> None:
        """Write an object in parts of `size` bytes; drop all of them if `parts` raises."""
        obstore.put(self._store, key, parts, use_multipart=True, chunk_size=size, max_concurrency=_PARTS_AT_ONCE)


@lru_cache(64)
def _client(url: Url, settings: Settings, _environment: tuple[tuple[str, str], ...]) -> Client:
    return Client(_store(url, settings))


def client(url: Url) -> Client:
    """Return the client for a URL, as the call that runs and the environment want it: one for all files of a bucket or server."""
    if (own := own_store(url.root)) is not None:
        return Client(own.store)
    found = sorted((name, value) for name, value in os.environ.items() if name.upper().startswith(_VARIABLES))
    try:
        return _client(url._replace(key="", is_folder=True), current().public, tuple(found))
    except FAILURES as error:
        if "certificate" in str(error):
            raise damaged_authorities() from error
        raise


def _meta(found: Any) -> Meta:
    return Meta(found["size"], found["e_tag"] or "", str(found["last_modified"]))


def _listed(found: Any) -> Meta:
    """Return what a listing says of an object, with the ETag in quotes, which Azure leaves out there."""
    meta = _meta(found)
    return meta if not meta.etag or '"' in meta.etag else meta._replace(etag=f'"{meta.etag}"')


def _store(url: Url, settings: Settings) -> Any:
    check_variables(url.scheme)
    address = url.root if url.scheme in ("http", "https", "hf") else endpoint(url.scheme)
    if (proxy := proxy_of(address)) is not None:
        proxy.check()
    patience = timedelta(seconds=settings.timeout)
    retry: Any = {
        "max_retries": TRIES,
        "retry_timeout": 2 * patience,
        "backoff": {"init_backoff": timedelta(seconds=settings.pause), "max_backoff": timedelta(seconds=5), "base": 2},
    }
    options: Any = {
        "read_timeout": patience,
        "timeout": 20 * patience,
        "connect_timeout": min(patience, timedelta(seconds=10)),
    }
    options["user_agent"] = "gradclip"
    if address.startswith("https://") and (trusted := authorities()) is not None:
        options["root_certificate"] = trusted
    if url.scheme in ("http", "https", "hf"):
        return _server(url, settings, options, retry)
    options["allow_http"] = _may_be_plain(url.scheme)
    config: dict[str, Any] = {"client_options": options, "retry_config": retry}
    if settings.anonymous:
        config["skip_signature"] = True
    if url.scheme == "s3":
        return _s3(url, config, settings.anonymous)
    if not settings.anonymous:
        check_found(url.scheme, url.root)
    return (GCSStore if url.scheme == "gs" else AzureStore)(url.bucket, **config)


def _s3(url: Url, config: dict[str, Any], anonymous: bool) -> S3Store:
    provider = None if anonymous else profile_of_aws(url.root)
    if provider is not None:
        config["credential_provider"] = provider
    elif not anonymous:
        check_found("s3", url.root)
    region = getattr(provider, "config", {}).get("region")
    if region is None and not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
        config["region"] = "us-east-1"
    return S3Store(url.bucket, **config)


def _server(url: Url, settings: Settings, options: Any, retry: Any) -> HTTPStore:
    """Return a web server; a user and a password, or the token of the hub, go into a header, which no other host is sent."""
    root, headers = url.root, dict[str, str]()
    scheme, _, rest = root.partition("://")
    authority, slash, path = rest.partition("/")
    if "@" in authority and url.scheme != "hf":
        user, authority = authority.rpartition("@")[::2]
        headers["Authorization"] = "Basic " + b64encode(unquote(user).encode()).decode()
        root = f"{scheme}://{authority}{slash}{path}"
    if url.scheme == "hf" and not settings.anonymous and (token := os.environ.get("HF_TOKEN")):
        headers["Authorization"] = f"Bearer {token}"
    if headers:
        options["default_headers"] = headers
    options["allow_http"] = scheme == "http"
    return HTTPStore(root, client_options=options, retry_config=retry)


def _may_be_plain(scheme: str) -> bool:
    """Whether requests need not be encrypted: to this machine, or where the environment says so."""
    if any(
        is_true(name)
        for name in ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "AZURE_STORAGE_USE_EMULATOR", "GOOGLE_ALLOW_HTTP")
    ):
        return True
    return is_loopback(endpoint(scheme).partition("://")[2].partition("/")[0])
