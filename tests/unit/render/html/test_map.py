import json
from typing import Any

import numpy as np

from gradclip_cli.render.html.map import picture
from gradclip_cli.render.html.picture import PICKED, Picture
from gradclip_cli.reports.check import FirstRise
from unit.render.html.made import cells_in, run_of

LAYERS = ["embed", "h.0.a", "h.1.a"]
NORMS = np.array([[1.0, 2.0, 9.0, 1.0], [4.0, 4.0, 4.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
FIRST = FirstRise(20, 20, "run/2.npz", ["h.0"], [2.0])


def made(first: FirstRise | None = None) -> Picture:
    """The map of a small run."""
    found = picture(run_of(LAYERS, NORMS, first=first))
    assert found is not None
    return found


def params(view: Any) -> list[Any]:
    """All parameters of a view and the views in it."""
    if isinstance(view, dict):
        return [*view.get("params", []), *(one for part in view.values() for one in params(part))]
    return [one for part in view for one in params(part)] if isinstance(view, list) else []


def test_a_page_has_the_map_and_the_line_of_the_row_that_is_picked() -> None:
    """The map brings the selection of a row, which no click off the rows takes away, and the line below follows it."""
    (view,) = made(FIRST).linked
    (pick,) = params(view)
    assert pick["name"] == PICKED
    assert pick["value"] == [{"row": "h.0.a"}]
    assert (pick["select"]["clear"], pick["select"]["toggle"]) == (False, False)
    shown, detail = view["vconcat"]
    assert detail["transform"][0] == {"filter": {"param": PICKED, "empty": False}}
    assert len(shown["layer"][0]["data"]["values"]) == len(LAYERS)


def test_a_map_of_its_own_knows_no_other_picture() -> None:
    """A view in a file of its own has no selection and asks for none."""
    alone = made().alone
    assert params(alone) == []
    assert '"param"' not in json.dumps(alone)


def test_what_rose_first_is_marked() -> None:
    """A sign stands above the step and rings around the rows; where all rise together there are no rings."""
    marks = made(FIRST).alone["layer"][-3:]
    assert [one["mark"]["type"] for one in marks] == ["text", "point", "point"]
    assert marks[1]["data"]["values"] == [{"row": "h.0.a", "at": 20, "says": "h.0 at step 20"}]
    together = made(FIRST._replace(names=[])).alone["layer"][-1]
    assert together["data"]["values"] == [{"at": 20, "says": "all blocks rise together at step 20"}]


def test_a_row_without_a_ratio_says_so() -> None:
    """A row that has no norm above 0 is marked, since a scale without a number fails."""
    (view,) = made().linked
    assert [one.get("none") for one in view["data"]["values"]] == [None, None, 1]
    assert [one.get("median") for one in view["data"]["values"]] == [1.5, 4.0, None]


def test_a_map_stays_small() -> None:
    """5,000 steps of 1,000 layers take less than 350 kB, and show every spike and every NaN."""
    norms = np.exp(np.random.default_rng(1).normal(0, 0.5, (1000, 5000)))
    norms[501, 2500], norms[17, 4999] = 1e5, np.nan
    found = picture(run_of([f"h.{k // 8}.{k % 8}" for k in range(1000)], norms))
    assert found is not None
    (view,) = found.linked
    assert len(json.dumps(view, separators=(",", ":"), allow_nan=False)) < 350_000
    rows, cells = {one["name"]: k for k, one in enumerate(view["data"]["values"])}, cells_in(view)
    spiking = view["data"]["values"][rows["h.62"]]
    spike = max(range(313), key=lambda k: cells[rows["h.62"]][k] or 0)
    assert spiking["of"][int(spiking["w"][spike], 36) // 2] == "h.62.5"
    assert cells[rows["h.2"]][-1] == 99_999
