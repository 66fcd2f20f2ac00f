"""vl-convert draws what it is given, and is asked for only here."""

import sys

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.render.html.drawing import FORMATS, check_library, drawn


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error of usage, in one line."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UsageError, match=r"pip install 'gradclip-cli\[report\]'"):
        check_library()


def test_every_format_is_drawn() -> None:
    """A file begins as those of its format do."""
    pytest.importorskip("vl_convert")
    spec = {"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a"}}}
    assert [drawn(spec, format)[:4] for format in FORMATS] == [b"<svg", b"\x89PNG", b"%PDF"]
