"""A room has a width and characters."""

from gradclip_cli.render.screens.room import Room


def test_a_terminal_is_fitted_within_limits() -> None:
    """A very narrow terminal is taken for 40 columns, a very wide one for 120."""
    assert [Room.of_terminal(columns, True).width for columns in (10, 60, 80, 300)] == [40, 60, 80, 120]


def test_without_unicode_there_are_ascii_signs() -> None:
    """Dots and marks fall back where the encoding lacks them."""
    assert all(sign.isascii() for sign in (Room(unicode=False).ellipsis, Room(unicode=False).mark))
    assert Room().ellipsis == "…"
