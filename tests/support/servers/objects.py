"""A server that keeps objects in memory, speaks enough S3 for obstore, and does wrong what a test asks it to.

Buckets and keys are one name, `bucket/key`. It also serves them to a plain `http://` client, and to one of Google's storage.
"""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

MOST_KEYS = 1000
"""Keys in one answer to a listing, as S3 has it."""
_DATE = "Sat, 01 Feb 2025 00:00:00 GMT"


class Asked(NamedTuple):
    """A request as the server saw it."""

    method: str
    name: str
    query: dict[str, str]
    range: str | None
    if_match: str | None
    headers: dict[str, str]
    nbytes: int


Wrong = Callable[[Asked], str]
"""What goes wrong with a request: a status such as `503`, `cut`, `short`, `stall`, `no range`, `no match`, `lie`, or nothing."""


class Objects:
    """What a server holds, and what it was asked for."""

    def __init__(self) -> None:
        self.of: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.asked: list[Asked] = []
        self.wrong: Wrong = lambda asked: ""
        self.latency = 0.0
        self.rate = 0.0  # bytes a second of each connection, 0 for no limit
        self.etags = True
        self.released = threading.Event()  # set when the server ends: whatever stalls goes on
        self.lock = threading.Lock()
        self.url = ""
        self.sent_on: dict[str, str] = {}  # names, and the addresses that a client is sent on to
        self._tags: dict[str, tuple[bytes, str]] = {}

    def gets(self) -> list[Asked]:
        """The requests for bytes."""
        return [asked for asked in self.asked if asked.method == "GET" and "list-type" not in asked.query]

    def tag(self, name: str) -> str:
        """The ETag of an object."""
        data, (known, tag) = self.of[name], self._tags.get(name, (b"", ""))
        if known is not data or not tag:
            tag = f'"{md5(data, usedforsecurity=False).hexdigest()}"'
            self._tags[name] = data, tag
        return tag


def every(number: int, wrong: str, method: str = "GET") -> Wrong:
    """Let every n-th request of a method go wrong."""
    seen = iter(range(1, 1 << 30))
    return lambda asked: wrong if asked.method == method and next(seen) % number == 0 else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    objects: Objects

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _take(self) -> tuple[Asked, bytes]:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name, headers = unquote(parts.path).lstrip("/"), {key.lower(): value for key, value in self.headers.items()}
        asked = Asked(self.command, name, query, headers.get("range"), headers.get("if-match"), headers, len(body))
        with self.objects.lock:
            self.objects.asked.append(asked)
            self._wrong = self.objects.wrong(asked)
        if self.objects.latency:
            time.sleep(self.objects.latency)
        if self._wrong == "stall":
            self.objects.released.wait(60)
        return asked, body

    def _answer(
        self,
        status: int,
        body: bytes | memoryview = b"",
        headers: dict[str, str] | None = None,
        size: int | None = None,
    ) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self._wrong == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self._send(body)

    def _send(self, body: bytes | memoryview) -> None:
        if not self.objects.rate:
            self.wfile.write(body)
            return
        for start in range(0, len(body), 1 << 18):
            part = body[start : start + (1 << 18)]
            self.wfile.write(part)
            time.sleep(len(part) / self.objects.rate)

    def _refuse(self, status: int, code: str) -> None:
        xml = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'
        self._answer(status, xml.encode(), {"Content-Type": "application/xml"})

    def _is_refused(self) -> bool:
        if self._wrong.isdigit():
            self._refuse(int(self._wrong), {"403": "AccessDenied", "503": "SlowDown"}.get(self._wrong, "Wrong"))
            return True
        return False

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        asked, _ = self._take()
        if self._is_refused():
            return
        if "list-type" in asked.query or "prefix" in asked.query:
            self._list(asked)
            return
        if asked.name in self.objects.sent_on:
            self._answer(302, b"", {"Location": self.objects.sent_on[asked.name]})
            return
        if asked.name.startswith("api/"):
            self._tree(asked)
            return
        data = self.objects.of.get(asked.name)
        if data is None:
            bucket = asked.name.partition("/")[0] + "/"
            known = any(name.startswith(bucket) for name in self.objects.of)
            self._refuse(404, "NoSuchKey" if known else "NoSuchBucket")
            return
        self._give(asked, data)

    def _give(self, asked: Asked, data: bytes) -> None:
        tag = self.objects.tag(asked.name)
        if asked.if_match not in (None, tag) and self._wrong != "no match":
            self._refuse(412, "PreconditionFailed")
            return
        headers = {"Last-Modified": _DATE, "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        headers |= {"ETag": tag} if self.objects.etags else {}
        if asked.range is None or self._wrong == "no range":
            self._answer(200, data, headers)
            return
        first, _, last = asked.range.removeprefix("bytes=").partition("-")
        start, stop = (
            (int(first), min(int(last or len(data)) + 1, len(data))) if first else (len(data) - int(last), len(data))
        )
        if start >= len(data) or start >= stop:
            self._refuse(416, "InvalidRange")
            return
        part = memoryview(data)[
            start:stop
        ]  # of a large file that is mapped, a copy would take this server half its time
        if self._wrong == "short":
            part = part[:-1]
        total = len(data) + (1000 if self._wrong == "lie" else 0)
        self._answer(206, part, headers | {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{total}"})

    def _list(self, asked: Asked) -> None:
        bucket = asked.name.partition("/")[0]
        prefix, delimiter = asked.query.get("prefix", ""), asked.query.get("delimiter", "")
        after = asked.query.get("continuation-token") or asked.query.get("start-after", "")
        keys = sorted(name.partition("/")[2] for name in self.objects.of if name.startswith(f"{bucket}/"))
        if not keys:
            self._refuse(404, "NoSuchBucket")
            return
        found: dict[str, str] = {}  # what is listed, and its last key
        for key in keys:
            if key.startswith(prefix) and key > after:
                rest = key[len(prefix) :]
                cut = prefix + rest[: rest.index(delimiter) + 1] if delimiter and delimiter in rest else key
                if cut not in found and len(found) == MOST_KEYS:
                    break
                found[cut] = key
        else:
            after = ""
        more = list(found.values())[-1] if len(found) == MOST_KEYS and keys[-1] > list(found.values())[-1] else ""
        rows = []
        for one in found:
            if delimiter and one.endswith(delimiter) and f"{bucket}/{one}" not in self.objects.of:
                rows.append(f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>")
            else:
                name = f"{bucket}/{one}"
                size, tag = len(self.objects.of[name]), escape(self.objects.tag(name))
                rows.append(
                    f"<Contents><Key>{escape(one)}</Key><LastModified>2025-02-01T00:00:00.000Z</LastModified>"
                    f"<ETag>{tag}</ETag><Size>{size}</Size></Contents>"
                )
        token = f"<NextContinuationToken>{escape(more)}</NextContinuationToken>" if more else ""
        xml = (
            f'<?xml version="1.0"?><ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>'
            f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{token}{''.join(rows)}</ListBucketResult>"
        )
        self._answer(200, xml.encode(), {"Content-Type": "application/xml"})

    def _tree(self, asked: Asked) -> None:
        """List a folder of the hub, one row a page."""
        kind, owner, name, _, revision, *folder = asked.name.removeprefix("api/").split("/")
        root = "/".join(([] if kind == "models" else [kind]) + [owner, name, "resolve", revision]) + "/"
        prefix = "".join(f"{part}/" for part in folder)
        rows = {}
        for one, data in self.objects.of.items():
            if one.startswith(root + prefix):
                first, slash, _ = one.removeprefix(root + prefix).partition("/")
                kinds = ("directory", 0) if slash else ("file", len(data))
                rows[first] = {"type": kinds[0], "path": prefix + first, "size": kinds[1], "oid": "0"}
        if not rows:
            self._refuse(404, "EntryNotFound")
            return
        page = int(asked.query.get("cursor", 0))
        here = f"{self.objects.url}/{quote(asked.name)}?cursor={page + 1}"
        more = {"Link": f'<{here}>; rel="next"'} if page + 1 < len(rows) else {}
        self._answer(200, json.dumps([rows[sorted(rows)[page]]]).encode(), {"Content-Type": "application/json"} | more)

    def do_PUT(self) -> None:
        asked, body = self._take()
        if self._is_refused():
            return
        if "partNumber" in asked.query:
            upload = self.objects.uploads.get(asked.query["uploadId"])
            if upload is None:
                self._refuse(404, "NoSuchUpload")
                return
            upload[1][int(asked.query["partNumber"])] = body
            self._answer(200, b"", {"ETag": f'"part-{asked.query["partNumber"]}"'})
            return
        self._store(asked, body)

    def _store(self, asked: Asked, body: bytes, xml: bytes = b"") -> None:
        only_new = asked.headers.get("if-none-match") == "*" or asked.headers.get("x-goog-if-generation-match") == "0"
        with self.objects.lock:
            if only_new and asked.name in self.objects.of:
                self._refuse(412, "PreconditionFailed")
                return
            self.objects.of[asked.name] = body
        self._answer(200, xml, {"ETag": self.objects.tag(asked.name)})

    def do_POST(self) -> None:
        asked, _ = self._take()
        if self._is_refused():
            return
        if "uploads" in asked.query:
            with self.objects.lock:
                number = f"upload-{len(self.objects.asked)}"
                self.objects.uploads[number] = asked.name, {}
            xml = f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>"
            self._answer(200, xml.encode(), {"Content-Type": "application/xml"})
            return
        if "uploadId" in asked.query:
            found = self.objects.uploads.pop(asked.query["uploadId"], None)
            if found is None:
                self._refuse(404, "NoSuchUpload")
                return
            whole = b"".join(part for _, part in sorted(found[1].items()))
            done = b"<CompleteMultipartUploadResult><ETag>&quot;done&quot;</ETag></CompleteMultipartUploadResult>"
            self._store(asked, whole, done)
            return
        self._answer(200, b"<DeleteResult></DeleteResult>")

    def do_DELETE(self) -> None:
        asked, _ = self._take()
        if self._is_refused():
            return
        if "uploadId" in asked.query:
            self.objects.uploads.pop(asked.query["uploadId"], None)
        else:
            self.objects.of.pop(asked.name, None)
        self._answer(204)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.taken: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, object]:
        """Keep what was accepted, so that it can be closed at the end."""
        found = super().get_request()
        self.taken.append(found[0])
        return found

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is no error."""


@contextmanager
def served(context: ssl.SSLContext | None = None, objects: Objects | None = None) -> Iterator[Objects]:
    """Serve what a test puts into the objects, encrypted if there is a certificate for `localhost`."""
    objects = objects or Objects()
    handler = type("Handler", (_Handler,), {"objects": objects})
    with _Server(("127.0.0.1", 0), handler) as server:
        objects.url = f"http://127.0.0.1:{server.server_address[1]}"
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            objects.url = objects.url.replace("http://127.0.0.1", "https://localhost")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield objects
        finally:
            objects.released.set()
            server.shutdown()
            thread.join()
            for connection in server.taken:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
