"""URLs are taken apart into what serves a file and what it is called there."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.storage.remote.urls import Url, canonical, parsed


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("s3://b/run/step 1%20é?#.npz", Url("s3", "s3://b", "run/step 1%20é?#.npz", False)),
        ("S3://b", Url("s3", "s3://b", "", True)),
        ("gs://b/run/", Url("gs", "gs://b", "run", True)),
        ("https://h:8443/a%20b/g.npz", Url("https", "https://h:8443", "a b/g.npz", False)),
        ("https://h/a%2Fb.npz", Url("https", "https://h/a%2Fb.npz", "", False)),
        ("https://h/g.npz?X-Amz-Signature=4%2Ff", Url("https", "https://h/g.npz?X-Amz-Signature=4%2Ff", "", False)),
        ("http://127.0.0.1:1/g.npz", Url("http", "http://127.0.0.1:1", "g.npz", False)),
        ("hf://me/n/g.npz", Url("hf", "https://huggingface.co/me/n/resolve/main", "g.npz", False)),
        ("hf://datasets/me/n@v1/run/", Url("hf", "https://huggingface.co/datasets/me/n/resolve/v1", "run", True)),
        ("hf://spaces/me/n@refs/pr/1/g.npz", Url("hf", "https://huggingface.co/spaces/me/n/resolve/refs%2Fpr%2F1", "g.npz", False)),
    ],
)  # fmt: skip
def test_what_serves_a_url(location: str, url: Url, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of a bucket is taken as it is, a path on a server is decoded, and a query belongs to the server."""
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert parsed(location) == url


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("s3://", "names no bucket"),
        ("s3://key:secret@b/k", "credentials in the environment"),
        ("s3://b/a//c", "empty part"),
        ("s3://b/../c", "empty part, . or .."),
        ("s3://b/a\tc", "control character"),
        ("https:///g.npz", "names no server"),
        ("http://example.com/g.npz", "is not encrypted"),
        ("hf://datasets/me", "names no repository"),
    ],
)
def test_what_names_nothing(location: str, reason: str) -> None:
    """A URL without a bucket, server or repository is refused before anybody is asked."""
    with pytest.raises(UsageError, match=reason) as caught:
        parsed(location)
    assert "secret" not in str(caught.value)


def test_the_hub_is_asked_by_encrypted_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is never sent readable to another machine."""
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    with pytest.raises(UsageError, match="HF_ENDPOINT is not encrypted"):
        parsed("hf://me/n/g.npz")


def test_spellings_of_one_file() -> None:
    """The same file has the same canonical URL, whatever signs it, and another file another."""
    assert canonical("https://u:p@H/a%20b?sig=1") == canonical("https://h/a b#x")
    assert canonical("s3://b/k") != canonical("gs://b/k")
