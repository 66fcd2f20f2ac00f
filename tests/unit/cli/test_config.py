"""The file of --print-config is TOML that --config reads."""

import tomllib

import pytest

from gradclip_cli.cli import main
from gradclip_cli.cli.config import as_toml
from gradclip_cli.errors import UsageError


def printed(*argv: str) -> str:
    """Return the options of a call of `apply` as TOML."""
    context = main.make_context("gradclip", [], resilient_parsing=True)
    command = main.get_command(context, "apply")
    assert command is not None
    return as_toml(command.make_context("apply", list(argv), parent=context))


def test_options_come_before_tables() -> None:
    """Each override is a table of its own behind all options, since TOML would take what follows for a part of it."""
    text = printed("-s", "none", "--layer", "a=ClipL2PerLayer:1", "--layer", "b=:mad", "--include", "a*")
    assert text.index("include") < text.index("[[layer]]")
    assert tomllib.loads(text)["layer"] == [
        {"pattern": "a", "strategy": "clip-l2-per-layer", "threshold": 1.0},
        {"pattern": "b", "threshold": "mad:5"},
    ]


def test_values_are_written_as_they_are_typed() -> None:
    """Columns and orders are texts again, numbers stay numbers."""
    found = tomllib.loads(printed("-s", "none", "--columns", "a,b", "--sort", "a:desc", "--epsilon", "0.5", "-j", "2"))
    assert found == {"strategy": "none", "columns": "a,b", "sort": "a:desc", "epsilon": 0.5, "jobs": 2}


def test_what_is_no_text_is_refused() -> None:
    """Bytes that are no Unicode have no place in TOML."""
    with pytest.raises(UsageError, match="no Unicode"):
        printed("-s", "none", "--exclude", "\udcff")
