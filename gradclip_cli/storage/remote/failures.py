"""Make one line of what obstore raises, which is pages of its own insides, with the URLs that were asked for and their signatures."""

import re
from enum import Enum

from gradclip_cli.errors import GradclipError, InputError, OutputError
from gradclip_cli.storage.fingerprint import changed
from gradclip_cli.storage.remote.credentials import advice
from gradclip_cli.storage.remote.network import blamed, variable_of_authorities
from gradclip_cli.storage.remote.settings import current
from gradclip_cli.storage.remote.urls import BUCKETS, parsed
from gradclip_cli.text import shown

_STATUS = re.compile(r"status code: (\d{3})")
_TRIED = re.compile(r" in (\d+(?:\.\d)?)\d*(m?s), after (\d+) retries")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")


class Failure(Enum):
    """What went wrong, as far as it makes a difference."""

    MISSING = "does not exist; check the key"
    NO_BUCKET = "no such bucket; check its name and the endpoint"
    FORBIDDEN = "403"
    UNKNOWN_USER = "401"
    CHANGED = "changed"
    EXISTS = "exists; give --overwrite to replace it"
    PAST_END = "ends early: it was cut short while it was read"
    NO_RANGES = "its server sends whole files only, and no parts of them; download it first"
    ELSEWHERE = "its bucket is in another region; set AWS_REGION"
    BAD_NAME = "holds a key with an empty part, as in a//b, which cannot be named; rename it"
    UNTRUSTED = "the certificate of its server is not trusted"
    OTHER_NAME = "the certificate of its server is for another name; check the URL and the endpoint"
    EXPIRED = "the certificate of its server is not valid today; check the clock, or tell whoever runs the server"
    NOT_ENCRYPTED = "its server answers as one of http://, not of https://; check the URL and the endpoint"
    PLAIN = "requests to its server would not be encrypted"
    NO_CREDENTIALS = "no credentials were found"
    NO_ACCOUNT = "no account is named; set AZURE_STORAGE_ACCOUNT_NAME"
    UNSUPPORTED = "501"
    REFUSED = "the server refuses"
    SILENT = "the server did not answer"


_BY_CLASS = {
    "FileNotFoundError": Failure.MISSING,
    "NotFoundError": Failure.MISSING,
    "PermissionDeniedError": Failure.FORBIDDEN,
    "UnauthenticatedError": Failure.UNKNOWN_USER,
    "PreconditionError": Failure.CHANGED,
    "NotModifiedError": Failure.CHANGED,
    "AlreadyExistsError": Failure.EXISTS,
    "InvalidPathError": Failure.BAD_NAME,
    "NotSupportedError": Failure.UNSUPPORTED,
}
_BY_STATUS = {
    401: Failure.UNKNOWN_USER,
    403: Failure.FORBIDDEN,
    404: Failure.MISSING,
    412: Failure.CHANGED,
    416: Failure.PAST_END,
    501: Failure.UNSUPPORTED,
}
_OUT_OF_DATE = re.compile(r"InvalidCertificate\(\s*(?:Expired|NotValidYet)")
_WHOLE_FILES = ("Received non-partial response", "Range request not supported")
_CUT_SHORT = "kind: Interrupted"
"""What stands in an error of an answer of which the end did not come."""
_ALLOWING = {"az": "AZURE_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP"}
"""The variables that allow requests that are not encrypted, where it is not that of S3."""
_METADATA = ("169.254.169.254", "metadata.google.internal", "/metadata/identity")
"""What stands in an error of the addresses by which machines of a cloud get credentials."""
_BY_TEXT_OF_ANY = (
    (_NO_BUCKET, Failure.NO_BUCKET),
    (_METADATA, Failure.NO_CREDENTIALS),
    (_WHOLE_FILES, Failure.NO_RANGES),
)
"""What is told by the text of errors of any class."""
_BY_TEXT = (
    ("Account must be specified", Failure.NO_ACCOUNT),
    ("BadScheme", Failure.PLAIN),
    ("incorrectly configured region", Failure.ELSEWHERE),
    ("NotValidForName", Failure.OTHER_NAME),
    ("InvalidContentType", Failure.NOT_ENCRYPTED),
    ("InvalidCertificate", Failure.UNTRUSTED),
    ("Requested ", Failure.PAST_END),
)


def failure(error: Exception) -> Failure:
    """Tell failures apart: by the class of the error, or else, since most are of one class, by what stands in its text."""
    text = str(error)
    for parts, kind in _BY_TEXT_OF_ANY:
        if any(part in text for part in parts):
            return kind
    if (found := _BY_CLASS.get(type(error).__name__)) is not None:
        return found
    for part, kind in _BY_TEXT:
        if part in text:
            return kind if kind is not Failure.UNTRUSTED or not _OUT_OF_DATE.search(text) else Failure.EXPIRED
    status = status_of(error)
    if status is None or status == 429 or status >= 500:
        return _BY_STATUS.get(status or 0, Failure.SILENT)
    return _BY_STATUS.get(status, Failure.REFUSED)


def status_of(error: Exception) -> int | None:
    """Return the status of HTTP that an error reports, or None if there was no answer."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def told(error: Exception, location: str, *, writing: bool = False) -> GradclipError:
    """Return the error to raise for one of obstore's, from which what may be secret in its URLs is left out: a traceback has both."""
    error.args = (shown(str(error)),)
    kind, where = failure(error), location
    if kind is Failure.CHANGED and not writing:
        return changed(where)
    url = parsed(location)
    if kind is Failure.NO_BUCKET and url.scheme in BUCKETS:
        where = url.root
    elif kind is Failure.NO_BUCKET:
        kind = Failure.MISSING
    place = f" (said to {current().place})" if current().place else ""
    return (OutputError if writing else InputError)(_message(kind, error, url.scheme, writing) + place, path=where)


def _message(kind: Failure, error: Exception, scheme: str, writing: bool) -> str:
    if kind is Failure.SILENT or status_of(error) == 407:
        return _silence(error)
    done, ask = "written" if writing else "read", advice(scheme, anonymous=current().anonymous)
    lines = {
        Failure.NO_CREDENTIALS: f"no credentials were found; {ask}",
        Failure.FORBIDDEN: f"may not be {done} (403); {ask}",
        Failure.UNKNOWN_USER: f"the server does not know who asks (401); {ask}",
        Failure.CHANGED: f"changed while it was {done}; run again",
        Failure.REFUSED: f"the server refuses it ({status_of(error)}); check the URL and the endpoint",
        Failure.UNSUPPORTED: f"the server cannot do what it is asked for ({status_of(error) or 'not supported'}); check the endpoint",
        Failure.PLAIN: f"{kind.value}; name one of https://, or set {_ALLOWING.get(scheme, 'AWS_ALLOW_HTTP')}=true",
        Failure.UNTRUSTED: f"{kind.value}; name your own authority in {variable_of_authorities()}",
        Failure.MISSING: f"does not exist; check the {'key' if scheme in BUCKETS else 'URL'}",
    }
    return lines.get(kind, str(kind.value))


def _silence(error: Exception) -> str:
    """Say how an answer failed to come: a status of 5xx, no connection, or nothing for too long."""
    text, status = str(error), status_of(error)
    tried = _TRIED.search(text)
    how = [str(status)] if status else []
    how += [f"{int(tried[3]) + 1} tries in {tried[1]} {tried[2]}"] if tried else [f"within {current().timeout:g} s"]
    said = blamed(text, ", ".join(how)) if status in (None, 407) else None
    if said is not None:
        return said
    if "dns error" in text or "failed to lookup" in text:
        return "there is no server of this name; check the URL, the endpoint and the network"
    if "Connection refused" in text or "ConnectionRefused" in text:
        return "no server listens there; check the URL and the endpoint"
    if _CUT_SHORT in text and not tried:
        return "the server broke off its answer, again and again; try again"
    return f"the server did not answer ({', '.join(how)}); try again"
