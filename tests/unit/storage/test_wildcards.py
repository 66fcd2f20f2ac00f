"""Wildcards in URLs stand for what shells would expand them to in paths."""

import re

import pytest
from support.memory_store import SCHEME, memory_store

from gradclip_cli.errors import UsageError
from gradclip_cli.storage.wildcards import matching

NAMES = ("run/step_1.npz", "run/step_2.npz", "run/step_10.h5", "other/step_1.npz", "run/odd[1].npz")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("run/*.npz", ["run/odd[1].npz", "run/step_1.npz", "run/step_2.npz"]),
        ("*/step_1.*", ["other/step_1.npz", "run/step_1.npz"]),
        ("run/step_[0-9].npz", ["run/step_1.npz", "run/step_2.npz"]),
        ("r?n", ["run"]),
        ("run/odd[1].npz", ["run/odd[1].npz"]),
        ("run/none*", ["run/none*"]),
        ("run/step_1.npz", ["run/step_1.npz"]),
        ("*/*/x", ["*/*/x"]),
        ("*/step_2.npz", ["run/step_2.npz"]),
        ("*/none.npz", ["*/none.npz"]),
    ],
)
def test_what_a_url_with_wildcards_stands_for(pattern: str, names: list[str]) -> None:
    """Each part is matched against what its folders hold, by name; what fits nothing stays as it is, to be an error or a name."""
    with memory_store() as store:
        store.files |= {f"{SCHEME}://b/{name}": b"" for name in NAMES}
        assert matching(f"{SCHEME}://b/{pattern}") == [f"{SCHEME}://b/{name}" for name in names]


@pytest.mark.parametrize(
    ("pattern", "folder"), [("**", ""), ("run/**/x.npz", "run/"), ("run/a**", "run/"), ("*/**", "")]
)
def test_two_stars_are_not_known(pattern: str, folder: str) -> None:
    """`**`, which shells and others expand in several ways, is refused, with the folder that may be meant; nothing is listed."""
    with pytest.raises(UsageError, match=re.escape(f"s3://b/{pattern}: ** is not known; ") + f".* s3://b/{folder}$"):
        matching(f"s3://b/{pattern}")


def test_what_is_not_expanded() -> None:
    """Paths, and URLs of web servers, are taken as they are."""
    for location in ("run/*.npz", "https://host/g.npz?a=[1]"):
        assert matching(location) == [location]
