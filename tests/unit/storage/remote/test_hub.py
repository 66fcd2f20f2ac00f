"""The folders of a repository on the hub are listed page by page."""

import pytest
from support.servers.objects import Objects

from gradclip_cli.errors import InputError
from gradclip_cli.storage.remote.objects import objects


@pytest.fixture
def repository(server: Objects, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """A repository of two dumps in a folder, listed one a page."""
    monkeypatch.setenv("HF_TOKEN", "unspoken")
    root = "datasets/me/n/resolve/v1"
    server.of |= {f"{root}/run/step 1.npz": b"a", f"{root}/run/step_2.npz": b"bc", f"{root}/README.md": b""}
    return server


def test_folders_of_a_repository(repository: Objects) -> None:
    """Files and folders are those of the repository; a dump is opened by its own address."""
    base = "hf://datasets/me/n@v1"
    assert {entry.name: entry.is_dir() for entry in objects().entries(base)} == {"README.md": False, "run": True}
    assert sorted(entry.name for entry in objects().entries(f"{base}/run")) == ["step 1.npz", "step_2.npz"]
    assert objects().size(f"{base}/run/step_2.npz") == 2
    assert objects().open(f"{base}/run/step 1.npz").read(0, 1) == b"a"
    assert not objects().exists(f"{base}/none")
    assert repository.asked[-1].headers["authorization"] == "Bearer unspoken"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("401", r"does not know who asks \(401\); check HF_TOKEN and what"),
        ("403", "403"),
        ("503", "did not answer"),
        ("404", "does not exist"),
    ],
)
def test_a_hub_that_refuses(repository: Objects, status: str, reason: str) -> None:
    """A refusal is one line with what to do about it, and without the token."""
    repository.wrong = lambda asked: status
    with pytest.raises(InputError, match=reason) as caught:
        objects().entries("hf://datasets/me/n@v1")
    assert "spoken" not in str(caught.value)
