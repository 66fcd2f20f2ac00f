"""Lines that are wider than a terminal are folded between words, and keep their meaning."""

from gradclip_cli.render.screens.folding import folded, in_lines, packed, phrases, wrapped
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


def test_figures_and_options_are_not_broken() -> None:
    """An index, a figure with its unit, a count and an option with its value stay on one line, however narrow it is."""
    text = "7 NaN of 2,048, at [3, 5, 0] of 22 % or 7.4 x --by layer (219), -f json"
    whole = ["7 NaN of 2,048,", "at [3, 5, 0] of 22 %", "or 7.4 x", "--by layer (219),", "-f json"]
    assert [text_of(part) for part in wrapped(text, Room(20))] == whole
    assert " ".join(text_of(part).strip() for part in folded(line(text), Room(24))) == text


def test_wide_characters_take_two_cells() -> None:
    """Chinese words are counted by their width."""
    assert [text_of(part) for part in folded(line("模型 编码 权重"), Room(10))] == ["模型 编码", "    权重"]


def test_a_sentence_is_folded_on_a_terminal_only() -> None:
    """Parts stay whole; later lines are indented."""
    parts = ["a" * 20, "b" * 20, "", "c" * 20]
    assert [text_of(one) for one in phrases(parts, Room(45))] == [f" {parts[0]} {parts[1]}", f"   {parts[3]}"]
    assert [text_of(one) for one in phrases(parts, Room(45, whole=True))] == [f" {parts[0]} {parts[1]} {parts[3]}"]


def test_parts_are_packed_into_lines() -> None:
    """Parts fill a line, and go on in the next with an indent."""
    found = [text_of(one) for one in packed([Span("a" * 20), Span("b" * 20), Span("c" * 20)], Room(50))]
    assert found == ["a" * 20 + "   " + "b" * 20, " " + "c" * 20]


def test_two_blanks_stay_together() -> None:
    """A sentence is folded at its single blanks, and what stands apart in a line stays so."""
    assert in_lines("layers.3.weight  3 of 2,048, at [3, 5]", 30) == ["layers.3.weight  3 of 2,048,", "at [3, 5]"]
