"""Pictures to put on pages: a slider, a line with a brush, a map whose cells can be picked, and names made to do harm."""

from support.made_runs import HOSTILE

from gradclip_cli.render.html.picture import PICKED, THRESHOLD, ZOOM, NumberTable, Picture, View


def _line(*, linked: bool) -> View:
    """A line over steps, with the threshold of the slider where it is linked."""
    x = {"field": "at", "type": "quantitative", "scale": {"nice": False, "domain": [0, 9]}}
    params = [{"name": ZOOM, "select": {"type": "interval", "encodings": ["x"]}}] if linked else []
    color = {"condition": {"test": f"datum.norm > pow(10, {THRESHOLD})", "value": "red"}, "value": "blue"}
    return {
        "title": {
            "text": "Norm over steps",
            "subtitle": "Drag across steps to see them in the map below, and to see nothing else.",
        },
        "width": 640,
        "height": 100,
        "data": {"values": [{"at": k, "norm": 1 + k % 3} for k in range(10)]},
        "params": params,
        "mark": "point",
        "encoding": {
            "x": x,
            "y": {"field": "norm", "type": "quantitative"},
            "color": color if linked else {"value": "blue"},
        },
    }


def _map(names: tuple[str, ...], steps: int, *, linked: bool) -> View:
    """A map of names over steps."""
    scale = {"nice": False, "domain": {"param": ZOOM, "encoding": "x"} if linked else [0, steps]}
    rows = [{"row": name, "at": k, "to": k + 1, "log": k % 5 - 2} for name in names for k in range(steps)]
    return {
        "title": "Layers over steps",
        "width": 600,
        "height": 120,
        "data": {"values": rows},
        "params": [{"name": PICKED, "select": {"type": "point", "fields": ["row"]}}] if linked else [],
        "mark": {"type": "rect", "clip": True},
        "encoding": {
            "x": {"field": "at", "type": "quantitative", "scale": scale},
            "x2": {"field": "to"},
            "y": {"field": "row", "type": "nominal", "sort": None, "axis": {"labelLimit": 100}},
            "color": {"field": "log", "type": "quantitative", "scale": {"range": "diverging", "domain": [-2, 0, 2]}},
            "tooltip": [{"field": "row"}],
        },
    }


def made_pictures(names: tuple[str, ...] = HOSTILE, steps: int = 10) -> dict[str, Picture]:
    """A line beside another with a slider, and a map, as a page has them."""
    slider = {"name": THRESHOLD, "value": 0.2, "bind": {"input": "range", "min": 0, "max": 1, "step": 0.01}}
    told = {"name": "told", "value": "clips 3 < 4 steps", "bind": {"element": "#told", "event": "told"}}
    table = NumberTable("Norm of each layer", ["layer", "norm"], [[name, f"{k}.5"] for k, name in enumerate(names)])
    beside = {**_line(linked=False), "width": 60}
    return {
        "norm": Picture(
            "Norm", "The norm of 10 dumps.", [_line(linked=True), beside], _line(linked=False), [], [slider, told]
        ),
        "map": Picture("Map", "A map.", [_map(names, steps, linked=True)], _map(names, steps, linked=False), [table]),
    }
