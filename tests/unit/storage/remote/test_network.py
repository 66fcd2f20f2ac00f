"""What lies on the way to a store is as the variables say; one that is wrong is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers.surroundings import alone

from gradclip_cli.errors import UsageError
from gradclip_cli.storage.remote.network import authorities, blamed, damaged_authorities, proxy_of


@pytest.fixture
def setting() -> Iterator[pytest.MonkeyPatch]:
    """An environment without any of these variables."""
    with alone() as patch:
        yield patch


def test_the_first_file_of_authorities_counts(setting: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of the variables that are set the first is read; directories, which other programs take, are passed over."""
    for name in ("first", "second"):
        (tmp_path / name).write_text(f"-----BEGIN CERTIFICATE-----\n{name}\n")
    assert authorities() is None
    setting.setenv("CURL_CA_BUNDLE", str(tmp_path / "second"))
    setting.setenv("AWS_CA_BUNDLE", str(tmp_path))
    assert authorities() == (tmp_path / "second").read_bytes()
    setting.setenv("AWS_CA_BUNDLE", str(tmp_path / "first"))
    assert authorities() == (tmp_path / "first").read_bytes()


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_file_of_authorities_that_is_none(setting: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    """A file that is missing, holds no certificate, or a damaged one, is wrong usage that names the variable and the file."""
    (tmp_path / "page.pem").write_text("<html>")
    for name, why in (("none.pem", "no such file or directory"), ("page.pem", "holds no certificate in PEM")):
        setting.setenv(variable, str(tmp_path / name))
        with pytest.raises(UsageError, match=f"^{variable}=.*{name}: {why}; name a file"):
            authorities()
    assert str(damaged_authorities()).startswith(f"{variable}={tmp_path}/page.pem: holds a damaged certificate; ")


@pytest.mark.parametrize(
    ("told", "address", "proxy"),
    [
        ({}, "https://h", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://h", ("HTTPS_PROXY", "http://p:1")),
        ({"https_proxy": "p:1"}, "https://h", ("https_proxy", "http://p:1")),
        ({"HTTPS_PROXY": "http://p:1"}, "http://h", None),
        ({"HTTP_PROXY": "http://p:1", "ALL_PROXY": "http://q"}, "http://h:8/x", ("HTTP_PROXY", "http://p:1")),
        ({"ALL_PROXY": "http://q"}, "https://h", ("ALL_PROXY", "http://q")),
        ({"ALL_PROXY": "http://q", "NO_PROXY": "*"}, "https://h", None),
        ({"ALL_PROXY": "http://q", "no_proxy": "other, .h.org"}, "https://a.h.org", None),
        ({"ALL_PROXY": "http://q", "NO_PROXY": "h.org"}, "https://ah.org", ("ALL_PROXY", "http://q")),
        ({"ALL_PROXY": "http://q", "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3:9", None),
    ],
)
def test_which_proxy_is_asked(
    setting: pytest.MonkeyPatch, told: dict[str, str], address: str, proxy: tuple[str, str] | None
) -> None:
    """There is one for each scheme, one for all, and hosts that are asked directly."""
    for name, value in told.items():
        setting.setenv(name, value)
    assert proxy_of(address) == proxy


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no address", "must be a proxy such as http://proxy:3128"),
        ("http://p:99999", "must be a proxy"),
        ("ftp://p:1", "must be a proxy"),
        ("http://", "must be a proxy"),
        ("http://me:SECRET@p q", "must be a proxy"),
        ("socks5h://me:SECRET@p:1", "names a proxy of SOCKS"),
        ("http://me:SECRET@p:1/", ""),
        ("p", ""),
        ("https://[::1]:3128", ""),
    ],
)
def test_a_proxy_is_an_address(setting: pytest.MonkeyPatch, value: str, why: str) -> None:
    """What is no proxy is refused by the name of its variable, and without its secrets: requests would go by none."""
    setting.setenv("HTTPS_PROXY", value)
    proxy = proxy_of("https://h")
    assert proxy is not None
    if not why:
        proxy.check()
        return
    with pytest.raises(UsageError, match=f"^HTTPS_PROXY {why}") as refused:
        proxy.check()
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("dns error", "there is no proxy of the name p:1; correct HTTPS_PROXY"),
        ("ConnectionRefused", "no proxy listens at p:1; correct HTTPS_PROXY"),
        ("ProxyAuthRequired", "the proxy p:1 wants a user and a password; write them before its name in HTTPS_PROXY"),
        ("TunnelUnsuccessful", "the proxy p:1 does not let the request through; correct HTTPS_PROXY"),
        ("TimedOut", "no answer came by the proxy p:1 (3 tries); try again, or correct HTTPS_PROXY"),
    ],
)
def test_what_is_wrong_with_a_proxy(setting: pytest.MonkeyPatch, text: str, line: str) -> None:
    """A request that went by a proxy and brought no answer is told as the proxy's failure, which names it without its user."""
    setting.setenv("HTTPS_PROXY", "http://me:unspoken@p:1")
    asked = f"Error performing GET https://h/x in 1s, {text}"
    assert blamed(asked, "3 tries") == line
    assert blamed(asked.replace("https://", "http://"), "3 tries") is None
    assert blamed(text, "3 tries") is None
