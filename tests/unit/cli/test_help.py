"""Options have groups, and rare ones stand behind --help-all."""

import click

from gradclip_cli.cli.help import COUNTED, INPUT, Grouped, examples, grouped

WITH_RARE = grouped(
    COUNTED,
    click.option("--often", help="Do it often."),
    grouped(INPUT, click.option("--rare", help="Do it rarely."), rare=True),
)


@click.command("x", cls=Grouped, help="Do it.", epilog=examples("x --often 1", "x --rare 2"))
@WITH_RARE
@click.option("--own", help="Do it my way.")
def command(often: str | None, rare: str | None, own: str | None) -> None:
    """Do nothing."""


def shown(*, whole: bool) -> str:
    """Return the help of the command."""
    context = click.Context(command, info_name="x", terminal_width=80)
    assert isinstance(command, Grouped)
    return command.full_help(context) if whole else command.get_help(context)


SHORT = """\
Usage: x [OPTIONS]

  Do it.

What to do:
  --own TEXT              Do it my way.

What is counted:
  --often TEXT            Do it often.

More: x --help-all (input)

Examples:
  x --often 1
  x --rare 2"""


def test_short_help() -> None:
    """Groups come in their order, what names none is in the first, and examples are not wrapped."""
    assert shown(whole=False) == SHORT


def test_whole_help() -> None:
    """All options are there, and no line on more."""
    lines = shown(whole=True).splitlines()
    assert "Input:" in lines
    assert "  --rare TEXT             Do it rarely." in lines
    assert not any("--help-all" in line for line in lines)


def test_the_inner_group_stays() -> None:
    """What an option has said of itself is not overwritten by a group around it, and nothing else is touched."""
    assert {param.name: getattr(param, "group", None) for param in command.params} == {
        "often": COUNTED,
        "rare": INPUT,
        "own": None,
    }


def test_without_rare_options_there_is_no_help_all() -> None:
    """--help-all would show the same."""
    bare = Grouped("y", params=[click.Option(["--a"])])
    context = click.Context(bare, info_name="y")
    assert [name for param in bare.get_params(context) for name in param.opts] == ["--a", "--help"]
    assert "--help-all" in [name for param in command.get_params(context) for name in param.opts]
