"""What Vega-Lite makes of a spec follows the width of the page."""

from typing import Any

from gradclip_cli.render.html.words import fit_words, guard_brushes


def test_titles_are_folded_on_a_narrow_page() -> None:
    """Each line of a title keeps its words, whatever quotes are in them."""
    vega: dict[str, Any] = {"marks": [{"title": {"text": 'the "norm"', "subtitle": ["word " * 20, "end"]}}]}
    fit_words(vega)
    title = vega["marks"][0]["title"]
    assert title["text"] == {"signal": r'room < 640 ? ["the \"norm\""] : ["the \"norm\""]'}
    assert '", "word' in title["subtitle"]["signal"].partition(" : ")[0]


def test_legends_above_have_few_columns_on_a_narrow_page() -> None:
    """Those beside a picture, and those of a scale of colours, stay as they are."""
    legends: list[dict[str, Any]] = [
        {"orient": "bottom", "columns": 4},
        {"orient": "right"},
        {"orient": "top", "type": "gradient"},
    ]
    vega = {"legends": legends}
    fit_words(vega)
    assert legends[0]["columns"] == {"signal": "room < 640 ? 2 : 4"}
    assert legends[1:] == [{"orient": "right"}, {"orient": "top", "type": "gradient"}]


def test_a_brush_that_holds_nothing_stays() -> None:
    """Where its scale changes, a brush is drawn anew only if it has ends."""
    update = '[scale("x", zoom_at[0]), scale("x", zoom_at[1])]'
    vega: dict[str, Any] = {
        "marks": [{"signals": [{"name": "zoom_x", "on": [{"update": update}, {"update": "[0, 0]"}]}]}]
    }
    guard_brushes(vega)
    assert [one["update"] for one in vega["marks"][0]["signals"][0]["on"]] == [
        f"isArray(zoom_at) ? {update} : zoom_x",
        "[0, 0]",
    ]
