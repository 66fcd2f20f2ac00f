"""An option is written once on the command line and once as a keyword, and means the same."""

import inspect
from typing import Any

import click
import pytest

import gradclip_cli
from gradclip_cli.cli import COMMANDS, main
from gradclip_cli.strategies import Strategy

COMMAND_LINE_ONLY = {"files_from", "null", "config", "print_config", "quiet", "print_threshold", "paste", "by", "fail_on", "whole"} | {
    "follow", "interval", "until_step",
    "format", "json", "csv", "tsv", "columns", "sort", "top", "no_headers", "no_color", "help",
}  # fmt: skip
"""What says where paths are listed, what is shown and when it fails, which a caller in Python does by itself."""


def params(command: str) -> dict[str, click.Parameter]:
    """Return the arguments and options of a command that its function has, too."""
    context = main.make_context("gradclip", [], resilient_parsing=True)
    found = main.get_command(context, command)
    assert found is not None
    own = COMMAND_LINE_ONLY - ({"format", "by"} if command == "report" else set())  # those of its pictures
    return {param.name or "": param for param in found.params if param.name not in own}


def keywords(command: str) -> dict[str, inspect.Parameter]:
    """Return the arguments of the function of a command, but for its progress and a store, which are objects of a program."""
    found = dict(inspect.signature(getattr(gradclip_cli, command)).parameters)
    for name in ("progress", "store"):
        found.pop(name, None)
    return found


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"cache", "strategies", "help"}))
def test_a_command_has_the_keywords_of_its_function(command: str) -> None:
    """Every option that says what is done is a keyword of the same name, and the other way round."""
    assert set(params(command)) == set(keywords(command))


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"cache", "strategies", "help"}))
def test_defaults_are_the_same(command: str) -> None:
    """What is left out is the same on the command line and in Python."""
    context = main.make_context("gradclip", [], resilient_parsing=True)
    found = main.get_command(context, command)
    assert found is not None
    given = found.make_context(command, [], parent=context, resilient_parsing=True).params
    for name, keyword in keywords(command).items():
        default: Any = keyword.default
        if default is not inspect.Parameter.empty and name not in ("inputs", "a", "b"):
            value = given[name]
            spelled = value.name if isinstance(value, Strategy) else str(value) if name == "rule" else value
            assert spelled == default, name
