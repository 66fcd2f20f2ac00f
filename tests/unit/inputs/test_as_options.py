"""What a user has chosen of the inputs is written as the options that choose it."""

from dataclasses import fields, replace
from typing import Any

import pytest

from gradclip_cli.cli.apply import command as apply
from gradclip_cli.inputs.as_options import as_number, as_options
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.wanted_steps import WantedSteps

SELECTED: dict[str, tuple[Any, list[str]]] = {
    "include": (("fc.*", "a b"), ["--include 'fc.*'", "--include 'a b'"]),
    "exclude": (("*.bias",), ["--exclude '*.bias'"]),
    "naming": (Naming.parse(None, 2), ["--group-depth 2"]),
    "input_format": ("npz", ["--input-format npz"]),
    "void_dtype": ("bfloat16", ["--void-dtype bfloat16"]),
    "allow_huge": (True, ["--allow-huge"]),
    "along": (0, ["--along 0"]),
    "unscale": (1048576.0, ["--unscale 1048576"]),
    "replicated": (("norm.*",), ["--replicated 'norm.*'"]),
    "tied": ("once", ["--tied once"]),
    "steps": (WantedSteps.parse("0:8,41"), ["--steps 0:8,41"]),
}
CHOSEN: dict[str, tuple[Any, list[str]]] = {
    "files": (("g*.npz",), ["--files 'g*.npz'"]),
    "shards": (True, ["--shards"]),
    "repeated": ("first", ["--repeated first"]),
    "accumulate": ("sum", ["--accumulate sum"]),
}
OTHERWISE = {"everything", "alone", "steps", "whole_files"}
"""Fields of `Choices` that no option sets, or that a selection holds too."""


@pytest.mark.parametrize("name", [field.name for field in fields(Selection)])
def test_each_field_of_a_selection_is_an_option(name: str) -> None:
    """A field that is not the default is written; a new field needs an option, and a line here."""
    value, options = SELECTED[name]
    assert as_options(replace(Selection(), **{name: value})) == options


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Choices)} - OTHERWISE))
def test_each_choice_is_an_option(name: str) -> None:
    """So is a choice of files."""
    value, options = CHOSEN[name]
    assert as_options(Selection(), replace(Choices(), **{name: value})) == options


def test_what_is_left_as_it_is_is_not_written() -> None:
    """The defaults need no option, and flags have no value; a regex and a key of the metadata are quoted."""
    assert as_options(Selection()) == []
    assert as_options(Selection(), allow_missing=True) == ["--allow-missing"]
    regex = "(?P<layer>l.)(?P<param>.*)"
    assert as_options(Selection(naming=Naming.parse(regex, None))) == [f"--layer-regex '{regex}'"]
    assert as_options(Selection(unscale="loss scale")) == ["--unscale 'loss scale'"]


def test_apply_takes_every_option() -> None:
    """A command that `stats` proposes is one that `apply` understands."""
    known = {name for param in apply.params for name in param.opts}
    written = [*(words for _, words in (SELECTED | CHOSEN).values()), ["--allow-missing", "--layer-regex x"]]
    assert {word.split()[0] for words in written for word in words} <= known


def test_what_does_not_print_is_not_written() -> None:
    """No shell would read back a text whose control characters were escaped."""
    assert as_options(Selection(include=("a\x1bb",))) is None


@pytest.mark.parametrize("value", [1e-6, 0.1, 2.0**20, 2.0**70, 1 / 3, float("inf")])
def test_a_number_is_read_as_the_same(value: float) -> None:
    """No digit that matters is left out."""
    assert float(as_number(value)) == value
