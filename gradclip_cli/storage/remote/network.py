"""Know what lies on the way to a store, and which variable is wrong about it: proxies, and authorities that are trusted."""

import os
import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from gradclip_cli.errors import UsageError, reason
from gradclip_cli.text import printable

AUTHORITIES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables that name a file of authorities, the first that is set before the others."""
_BEGIN = b"-----BEGIN CERTIFICATE-----"
_HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?")
_ASKED = re.compile(r"performing [A-Z]+ (https?://[^\s/?#]+)")
"""What obstore says of the address that it has asked."""


def authorities() -> bytes | None:
    """Return the certificates to trust besides those of the system, in PEM; raise UsageError for a file that holds none.

    A directory, which other programs take, is left out.
    """
    if not _names_file(name := variable_of_authorities()):
        return None
    try:
        with open(os.environ[name], "rb") as file:
            data = file.read()
    except OSError as error:
        raise _bad_authorities(name, reason(error)) from error
    if _BEGIN not in data:
        raise _bad_authorities(name, "holds no certificate in PEM")
    return data


def _bad_authorities(name: str, what: str) -> UsageError:
    return UsageError(f"{name}={os.environ[name]}: {what}; name a file of certificates in PEM, or unset it")


def variable_of_authorities() -> str:
    """Return the variable that names the authorities to trust, or the one that should if none does."""
    return next((name for name in AUTHORITIES if _names_file(name)), "SSL_CERT_FILE")


def damaged_authorities() -> UsageError:
    """Return the error for certificates that nobody can read."""
    return _bad_authorities(variable_of_authorities(), "holds a damaged certificate")


def _names_file(variable: str) -> bool:
    return bool(os.environ.get(variable)) and not os.path.isdir(os.environ[variable])


class Proxy(NamedTuple):
    """A proxy, and the variable that names it."""

    variable: str
    address: str

    @property
    def host(self) -> str:
        """The host and the port, without a user."""
        return self.address.partition("://")[2].rpartition("@")[2].rstrip("/")

    def check(self) -> None:
        """Raise UsageError unless it is one by HTTP: others are not known, and what is no address would be passed over."""
        scheme = self.address.partition("://")[0].lower()
        if scheme.startswith("socks"):
            raise UsageError(
                f"{self.variable} names a proxy of SOCKS, which is not known; name one of HTTP, or unset it"
            )
        if scheme not in ("http", "https") or not _HOST.fullmatch(self.host) or not _has_port(self.address):
            given = printable(self.address).removeprefix("http://")
            raise UsageError(f"{self.variable} must be a proxy such as http://proxy:3128, or unset, not '{given}'")


def _has_port(address: str) -> bool:
    """Whether the port of an address is a port, or left out."""
    try:
        return urlsplit(address).port != 0
    except ValueError:
        return False


def proxy_of(address: str) -> Proxy | None:
    """Return the proxy by which an address is asked, as its variables say; None where it is asked directly."""
    parts = urlsplit(address)
    names = ("HTTPS_PROXY",) if parts.scheme == "https" else ("HTTP_PROXY",)
    variable = _first((*names, "ALL_PROXY"))
    if variable is None or _is_excepted(parts.hostname or ""):
        return None
    value = os.environ[variable]
    return Proxy(variable, value if "://" in value else f"http://{value}")


def _first(names: Sequence[str]) -> str | None:
    every = (spelt for name in names for spelt in (name, name.lower()))
    return next((name for name in every if os.environ.get(name)), None)


def _is_excepted(host: str) -> bool:
    """Whether NO_PROXY has a host: itself, a domain that it is in, a network of addresses, or `*`."""
    variable = _first(("NO_PROXY",))
    each = [one.strip().lower().lstrip(".") for one in os.environ[variable].split(",")] if variable else []
    return any(one in ("*", host) or host.endswith(f".{one}") or _is_within(host, one) for one in each if one)


def _is_within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def blamed(text: str, how: str) -> str | None:
    """Say what is wrong with the proxy, if a request that failed with this text went by one; `how` is how long it was tried."""
    asked = _ASKED.search(text)
    proxy = proxy_of(asked[1]) if asked else None
    if proxy is None:
        return None
    for part, what in _OF_PROXIES:
        if part in text:
            return what.format(host=proxy.host, variable=proxy.variable)
    return f"no answer came by the proxy {proxy.host} ({how}); try again, or correct {proxy.variable}"


_OF_PROXIES = (
    ("dns error", "there is no proxy of the name {host}; correct {variable}"),
    ("ConnectionRefused", "no proxy listens at {host}; correct {variable}"),
    ("Connection refused", "no proxy listens at {host}; correct {variable}"),
    ("ProxyAuthRequired", "the proxy {host} wants a user and a password; write them before its name in {variable}"),
    ("status code: 407", "the proxy {host} wants a user and a password; write them before its name in {variable}"),
    ("TunnelUnsuccessful", "the proxy {host} does not let the request through; correct {variable}"),
)
