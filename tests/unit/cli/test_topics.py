"""Topics have a line and a page each."""

import click

from gradclip_cli.cli import COMMANDS
from gradclip_cli.cli.topics import TOPICS, command
from gradclip_cli.text import plain


def test_topics_are_no_commands() -> None:
    """A name is a command or a topic, however it is spelled."""
    names = [plain(name) for name in (*COMMANDS, *TOPICS)]
    assert len(set(names)) == len(names)


def test_lines_and_pages() -> None:
    """Each topic has a sentence, and a page that fits a terminal of 80 columns."""
    for summary, page in TOPICS.values():
        assert summary.endswith(".")
        assert all(len(line) <= 80 for line in page().splitlines())
        assert page() == page().strip("\n")


def test_names_are_completed() -> None:
    """Commands and topics are offered."""
    (name,) = command.params
    context = click.Context(command)
    assert [item.value for item in name.shell_complete(context, "d")] == ["diff", "dump"]
