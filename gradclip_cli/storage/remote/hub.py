"""List the files of a repository on the Hugging Face Hub, which has an interface of its own for that."""

import json
import os
import re
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from gradclip_cli.storage.remote.client import Listed, Meta
from gradclip_cli.storage.remote.settings import current
from gradclip_cli.storage.remote.urls import Url, is_loopback

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
    if parts.scheme != "https" and not is_loopback(parts.netloc):
        raise ValueError("not encrypted")
    try:
        with urllib.request.urlopen(request, timeout=current().timeout) as answer:  # noqa: S310
            rows, more = json.load(answer), _NEXT.search(answer.headers.get("Link") or "")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 404 and url.key:
            return [], None
        raise ValueError(f"status code: {error.code}") from error
    except OSError as error:
        raise ValueError(
            f"Connection refused: {error}" if isinstance(error.__context__, ConnectionRefusedError) else str(error)
        ) from error
    if more is None or urlsplit(unquote(more[1])).netloc != parts.netloc:
        return rows, None
    return rows, more[1]
