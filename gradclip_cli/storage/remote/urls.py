"""Take URLs apart: what serves a file, and what it is called there."""

import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from gradclip_cli.errors import UsageError

BUCKETS = ("s3", "gs", "az")
"""The schemes of object stores, which can be written to and listed."""

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HUB = re.compile(
    r"(?P<kind>datasets/|spaces/)?(?P<repo>[^/@]+/[^/@]+)(?:@(?P<rev>refs/(?:pr|convert)/[^/]+|[^/]+))?(?:/(?P<key>.*))?"
)


class Url(NamedTuple):
    """A URL of a file, or of a folder of them.

    `root` is what one connection serves: `s3://bucket`, or the address of a web server. `key` is the decoded rest, without a
    slash at its ends; it is empty where `root` is the address of one file. `is_folder` is whether the URL ends with a slash.
    """

    scheme: str
    root: str
    key: str
    is_folder: bool

    @property
    def bucket(self) -> str:
        """The name of the bucket or container."""
        return self.root.partition("://")[2]


def parsed(location: str) -> Url:
    """Take a URL apart; raise UsageError if it names no bucket, server or repository."""
    scheme, _, rest = location.partition("://")
    scheme = scheme.lower()
    if scheme in BUCKETS:
        return _in_bucket(scheme, rest, location)
    if scheme == "hf":
        return _on_hub(rest, location)
    return _on_server(scheme, location)


def _in_bucket(scheme: str, rest: str, location: str) -> Url:
    bucket, _, key = rest.partition("/")
    if not bucket or any(mark in bucket for mark in "@?#%:\\ "):
        raise UsageError(
            f"{location} names no bucket; write {scheme}://bucket/key, with credentials in the environment"
        )
    _check_key(key, location)
    return Url(scheme, f"{scheme}://{bucket}", key.strip("/"), key.endswith("/") or not key)


def _check_key(key: str, location: str) -> None:
    """Refuse keys that obstore cannot name: it takes them for paths, without empty parts and dots."""
    if any(part in (".", "..") for part in key.split("/")) or "//" in key or key.startswith("/"):
        raise UsageError(f"{location} has an empty part, . or .. in its key; write it without, or rename the object")
    if any(ord(c) < 32 or ord(c) == 127 for c in key):
        raise UsageError(f"{location} has a control character in its key; rename the object")


def _on_hub(rest: str, location: str) -> Url:
    """Return where the hub serves a file; the revision stays encoded in the root, since it may hold slashes."""
    found = _HUB.fullmatch(rest)
    if found is None or (found["kind"] is None and found["repo"].split("/")[0] in ("datasets", "spaces")):
        raise UsageError(f"{location} names no repository; write hf://[datasets/]owner/name[@revision]/path")
    key = found["key"] or ""
    _check_key(key, location)
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    check_encrypted(endpoint, "HF_ENDPOINT")
    revision = quote(unquote(found["rev"] or "main"), safe="")
    root = f"{endpoint}/{found['kind'] or ''}{found['repo']}/resolve/{revision}"
    return Url("hf", root, key.strip("/"), key.endswith("/") or not key)


def _on_server(scheme: str, location: str) -> Url:
    """Return the server and the path on it; a query, or a slash that is encoded, makes the whole URL the root."""
    parts = urlsplit(location.partition("#")[0])
    host = parts.netloc.rpartition("@")[2]
    if not host:
        raise UsageError(f"{location} names no server; write {scheme}://host/path")
    check_encrypted(location, location)
    key, folder = unquote(parts.path).strip("/"), parts.path.endswith("/")
    plain = not parts.query and "%2f" not in parts.path.lower() and "//" not in parts.path and "\ufffd" not in key
    if plain and not any(part in (".", "..") for part in key.split("/")):
        return Url(scheme, f"{scheme}://{parts.netloc}", key, folder or not key)
    return Url(
        scheme, f"{scheme}://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else ""), "", folder
    )


def check_encrypted(address: str, name: str) -> None:
    """Refuse to send anything readable to another machine, unless the environment allows it."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not is_loopback(parts.netloc.rpartition("@")[2]) and not is_true("AWS_ALLOW_HTTP"):
        raise UsageError(f"{name} is not encrypted; use https://, or set AWS_ALLOW_HTTP=true")


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine.

    >>> is_loopback("127.0.0.1:9000"), is_loopback("example.com")
    (True, False)
    """
    return re.sub(r":\d*$", "", host) in _LOOPBACK


def is_true(variable: str) -> bool:
    """Whether a variable of the environment says yes."""
    return os.environ.get(variable, "").lower() in ("1", "true", "yes", "on")


def canonical(location: str) -> str:
    """Return what is equal for two spellings of one URL, without its secrets.

    >>> canonical("S3://b/run/"), canonical("https://host/a%20b?sig=1")
    ('s3://b/run', 'https://host/a b')
    """
    url = parsed(location)
    if url.scheme in BUCKETS or url.scheme == "hf":
        return f"{url.root}/{url.key}" if url.key else url.root
    parts = urlsplit(location.partition("#")[0])
    return f"{url.scheme}://{parts.netloc.rpartition('@')[2].lower()}{unquote(parts.path).rstrip('/')}"
