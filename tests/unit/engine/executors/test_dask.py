"""What is no scheduler is refused before anything is imported or connected."""

import sys

import pytest

from gradclip_cli.engine.executors.dask import connect
from gradclip_cli.errors import UsageError


@pytest.mark.parametrize("scheduler", ["localhost:8786", "http://localhost", "", "s3://bucket"])
def test_another_address(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tcp:// and tls:// are addresses of schedulers."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="a scheduler is tcp://HOST:PORT or tls://HOST:PORT, not"):
        connect(scheduler)


def test_dask_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Dask, a scheduler is an error that says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'gradclip-cli\[cluster\]'"):
        connect("tcp://127.0.0.1:1")
