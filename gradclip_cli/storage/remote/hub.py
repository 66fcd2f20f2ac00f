"""List the files of a repository on the Hugging Face Hub, which has an interface of its own for that."""

import json
import os
import re
import socket
import ssl
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from gradclip_cli.storage.remote.client import Listed, Meta
from gradclip_cli.storage.remote.network import authorities, damaged_authorities, proxy_of
from gradclip_cli.storage.remote.settings import current
from gradclip_cli.storage.remote.urls import Url, check_encrypted

_MISMATCHES, _EXPIRED = (62, 64), {9: "NotValidYet", 10: "Expired"}
"""What OpenSSL says of a certificate for another name, or another time."""
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')
_ROOT = re.compile(r"(?P<endpoint>.*?)/(?P<kind>datasets/|spaces/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)")


def listing(url: Url) -> Listed:
    """Return what stands in a folder of a repository, page by page; nothing if there is no such folder. Raises ValueError."""
    found = Listed({}, [])
    cut = len(url.key) + 1 if url.key else 0
    page: str | None = tree(url)
    while page:
        rows, page = _page(page, url)
        for row in rows:
            name = row["path"][cut:]
            if row["type"] == "directory":
                found.folders.append(name)
            else:
                found.files[name] = Meta(row["size"], "", row["oid"])
    return found


def tree(url: Url) -> str:
    """Return the address that lists a folder.

    >>> tree(Url("hf", "https://huggingface.co/datasets/o/n/resolve/main", "run", True))
    'https://huggingface.co/api/datasets/o/n/tree/main/run'
    """
    found = _ROOT.fullmatch(url.root)
    if found is None:
        raise ValueError(f"no repository: {url.root}")
    kind = found["kind"] or "models/"
    folder = f"/{quote(url.key)}" if url.key else ""
    return f"{found['endpoint']}/api/{kind}{found['repo']}/tree/{found['rev']}{folder}"


def _page(address: str, url: Url) -> tuple[list[dict[str, Any]], str | None]:
    """Return the rows of one answer, and the address of the next, which must be of the same server: it is sent the token."""
    request = urllib.request.Request(address, headers={"User-Agent": "gradclip"})  # noqa: S310 (the scheme is looked at)
    token = os.environ.get("HF_TOKEN")
    if token and not current().anonymous:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    parts = urlsplit(address)
    check_encrypted(address, "the list of files at HF_ENDPOINT")
    try:
        with _opener(address, parts.scheme).open(request, timeout=current().timeout) as answer:
            rows, more = json.load(answer), _NEXT.search(answer.headers.get("Link") or "")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 404 and url.key:
            return [], None
        raise ValueError(f"status code: {error.code}") from error
    except OSError as error:
        raise ValueError(f"performing GET {address}: {_told(error)}") from error
    if more is None or urlsplit(unquote(more[1])).netloc != parts.netloc:
        return rows, None
    return rows, more[1]


def _opener(address: str, scheme: str) -> urllib.request.OpenerDirector:
    """Return what asks an address by the proxy, and trusts the authorities, that the environment names now."""
    proxy = proxy_of(address)
    if proxy is not None:
        proxy.check()
    by = urllib.request.ProxyHandler({scheme: proxy.address} if proxy is not None else {})
    return urllib.request.build_opener(by, urllib.request.HTTPSHandler(context=_trusting(scheme)))


def _trusting(scheme: str) -> ssl.SSLContext | None:
    """Return what trusts the authorities of the environment, besides those of the system."""
    trusted = authorities() if scheme == "https" else None
    if trusted is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=trusted.decode("ascii", "replace"))
    except ssl.SSLError as error:
        raise damaged_authorities() from error
    return context


def _told(error: OSError) -> str:
    """Say in the words of obstore what went wrong, so that both are told alike."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            "NotValidForName"
            if cause.verify_code in _MISMATCHES
            else f"InvalidCertificate({_EXPIRED.get(cause.verify_code, '')}"
        )
    for kind, words in ((socket.gaierror, "dns error"), (ConnectionRefusedError, "Connection refused")):
        if isinstance(cause, kind):
            return words
    text = str(cause)
    if text.startswith("Tunnel connection failed"):
        return "ProxyAuthRequired" if " 407" in text else "TunnelUnsuccessful"
    return "InvalidContentType" if isinstance(cause, ssl.SSLError) and "WRONG_VERSION" in text else text
