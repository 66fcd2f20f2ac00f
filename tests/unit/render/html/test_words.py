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


def narrow(wide: str, expression: Any) -> str:
    """Return what an expression of Vega has on a narrow page, where on a wide one it has what is expected."""
    on_narrow, on_wide = expression["signal"].removeprefix("room < 640 ? ").split(" : ")
    assert on_wide == wide
    return str(on_narrow)


def test_legends_stand_below_in_few_columns_on_a_narrow_page() -> None:
    """Those beside a picture move below it; what has one column keeps it, and labels are as wide as a column at most."""
    vega: dict[str, Any] = {"legends": [{"orient": "bottom", "columns": 4}, {}, {"orient": "top", "columns": 1}]}
    fit_words(vega)
    below, beside, one = vega["legends"]
    assert [below["orient"], narrow('"right"', beside["orient"]), one["orient"]] == ["bottom", '"bottom"', "top"]
    assert [narrow(n, each["columns"]) for n, each in zip("411", (below, beside, one), strict=True)] == ["2", "2", "1"]
    assert narrow("160", one["labelLimit"]) == "min(160, (room - 90) / 1 - 24)"


def test_scales_of_colours_are_short_on_a_narrow_page() -> None:
    """Their title stands above them there."""
    vega = {"legends": [{"orient": "top", "gradientLength": 160, "titleOrient": "left"}]}
    fit_words(vega)
    (legend,) = vega["legends"]
    assert [narrow('"left"', legend["titleOrient"]), narrow("160", legend["gradientLength"])] == ['"top"', "140"]


def test_labels_and_texts_are_cut_on_a_narrow_page() -> None:
    """Labels on the left, which all pictures make room for, and texts in a picture that have a limit."""
    axes = [{"orient": "left", "labelLimit": 160}, {"orient": "bottom", "labelLimit": 160}, {"orient": "left"}]
    text = {"type": "text", "encode": {"update": {"limit": {"value": 260}}}}
    vega: dict[str, Any] = {"axes": axes, "marks": [text]}
    fit_words(vega)
    assert narrow("160", vega["axes"][0]["labelLimit"]) == "76"
    assert vega["axes"][1:] == [{"orient": "bottom", "labelLimit": 160}, {"orient": "left"}]
    assert narrow("260", vega["marks"][0]["encode"]["update"]["limit"]) == "min(260, 0.5 * room)"


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
