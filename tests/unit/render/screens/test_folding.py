"""Lines that are wider than a terminal are folded between words, and keep their meaning."""

from gradclip_cli.render.screens.folding import folded
from gradclip_cli.render.screens.line import Span, line, strong, text_of
from gradclip_cli.render.screens.room import Room


def test_a_line_that_fits_stays() -> None:
    """What fits is one line, and so is everything in a pipe."""
    long = line(strong("clip-by-global-norm at 20"), ": 6 of 60 dumps clipped (0-4, 41), mean factor 0.973")
    assert list(folded(long, Room(120))) == [long]
    assert list(folded(long, Room(40, whole=True))) == [long]


def test_a_long_line_is_folded_between_words() -> None:
    """No part is wider than the room, the words are all there, and the later parts are indented."""
    long = line(strong("clip-by-global-norm at 20"), ": 6 of 60 dumps clipped (0-4, 41), mean factor 0.973")
    parts = list(folded(long, Room(50)))
    texts = [text_of(part) for part in parts]
    assert texts == ["clip-by-global-norm at 20: 6 of 60 dumps clipped", "    (0-4, 41), mean factor 0.973"]
    assert parts[0][0] == Span("clip-by-global-norm", "strong")


def test_a_name_that_is_too_wide_stays_whole() -> None:
    """A word is never cut: a terminal folds it itself."""
    name = "model.layers.9.mlp.down_proj.weight"
    assert [text_of(part).strip() for part in folded(line("1 NaN set to 0 in ", name), Room(20))] == [
        "1 NaN set to 0 in",
        name,
    ]


def test_wide_characters_take_two_cells() -> None:
    """Chinese words are counted by their width."""
    assert [text_of(part) for part in folded(line("模型 编码 权重"), Room(10))] == ["模型 编码", "    权重"]
