"""Write the manual page, gradclip_cli/gradclip.1, from the help of the commands; the same help gives the same bytes."""

import re
from collections.abc import Iterator

import click

from docs.command_line import commands
from docs.places import ROOT
from gradclip_cli import __version__
from gradclip_cli.cli import EXIT_CODES, main

BREAK = r"|\:"
"""Where a line may break in a long list of choices."""

PAGE = ROOT / "gradclip_cli" / "gradclip.1"


def page() -> str:
    """Return the manual page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f'.TH GRADCLIP 1 "" "gradclip {__version__}" "User Commands"'
    yield from (".SH NAME", r"gradclip \- inspect and clip saved gradients")
    yield from (".SH SYNOPSIS", r".B gradclip", r"\fICOMMAND\fR [\fIOPTIONS\fR] \fIARGUMENTS\fR")
    yield ".SH DESCRIPTION"
    yield from _text(main.help or "")
    yield ".SH COMMANDS"
    for command, context in commands():
        yield from _command(command, context)
    yield from (".SH ENVIRONMENT", ".TP", r".B GRADCLIP_\fICOMMAND\fB_\fIOPTION\fR")
    yield from _text(
        "The value of an option of a command, such as GRADCLIP_APPLY_STRATEGY; several are separated by spaces."
    )
    yield from (".TP", ".B NO_COLOR", "If set, no colour is used.")
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", f".B {code}", escaped(meaning.replace("`", "")))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield ".SS " + escaped(" ".join(["gradclip", command.name or "", *command.collect_usage_pieces(context)]))
    yield from _text("\n\n".join(filter(None, [command.help, command.epilog])))
    for param in command.get_params(context):
        record = param.get_help_record(context) if isinstance(param, click.Option) else None
        if record is not None:
            yield from (".TP", f".B {escaped(record[0]).replace('|', BREAK)}", escaped(record[1]))


def _text(text: str) -> Iterator[str]:
    """Write paragraphs; one that click would not wrap stays as it is."""
    for paragraph in text.strip().split("\n\n"):
        lines = [line.strip() for line in paragraph.strip().split("\n")]
        if lines[0] == "\b":
            yield from (".PP", ".nf", *map(escaped, lines[1:]), ".fi")
        else:
            yield from (".PP", escaped(" ".join(lines)))


def escaped(text: str) -> str:
    r"""Write a text so that roff shows it as it is.

    >>> print(escaped(".5 -s \\d"))
    \&.5 \-s \ed
    """
    plain = re.sub(r"\s+", " ", text).replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{plain}" if plain[:1] in (".", "'") else plain
