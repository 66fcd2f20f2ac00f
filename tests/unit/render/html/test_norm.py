"""The picture of the norm over steps: what it draws of runs of every kind."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.log_reports import SPIKES, drawn, log_report

from gradclip_cli.render.html.norm import picture
from gradclip_cli.render.html.picture import ZOOM

NAN = math.nan


def layers_of(view: Any) -> Iterator[dict[str, Any]]:
    """All layers of a view that have a mark."""
    for inner in (*view.get("layer", ()), *view.get("hconcat", ())):
        yield from layers_of(inner)
    if "mark" in view:
        yield view


def test_one_dump_has_no_line(tmp_path: Path) -> None:
    """There is no line of one dump."""
    assert picture(log_report(tmp_path / "log.csv", [1.0])) is None


@pytest.mark.parametrize(
    "norms",
    [[1.0, 2.0], [1.5] * 12, [NAN, NAN, 3.0, NAN], [0.0, 1.0, 0.0, 2.0], [1e-300, 3e-300], [1e150, 1e-150], SPIKES],
)
def test_it_is_json_with_a_slider_and_a_histogram(tmp_path: Path, norms: list[float]) -> None:
    """Whatever is finite and above 0 is drawn with a slider and a histogram; a spec holds numbers of JSON only."""
    found = drawn(picture(log_report(tmp_path / "log.csv", norms)))
    assert len(found.linked) == 2
    assert {"threshold", "told", "limit"} <= {str(one["name"]) for one in found.params}
    text = json.dumps([found.linked, found.alone, found.params], allow_nan=False)
    assert text == json.dumps([*_again(tmp_path)], allow_nan=False)


def _again(folder: Path) -> list[Any]:
    lines = (folder / "log.csv").read_text().splitlines()[1:]
    norms = [float(line.split(",")[1]) for line in lines]
    found = drawn(picture(log_report(folder / "log.csv", norms)))
    return [found.linked, found.alone, found.params]


def test_all_layers_have_fixed_ends(tmp_path: Path) -> None:
    """A slider makes no scale anew: every layer has the same domains, since Vega's brush fails otherwise."""
    found = drawn(picture(log_report(tmp_path / "log.csv", [*SPIKES, NAN, 0.0])))
    for channel in ("x", "y"):
        ends = [layer["encoding"].get(channel, {}).get("scale") for layer in layers_of(found.linked[0])]
        assert len({json.dumps(one) for one in ends if one}) == 1


def test_alone_it_has_neither_a_brush_nor_a_control(tmp_path: Path) -> None:
    """A figure of its own has a threshold that does not move."""
    found = drawn(picture(log_report(tmp_path / "log.csv", SPIKES)))
    text = json.dumps(found.alone)
    assert ZOOM not in text
    assert "bind" not in text


def test_it_says_what_it_does_not_show(tmp_path: Path) -> None:
    """A threshold beyond the axis, and an epsilon, are told."""
    report = log_report(tmp_path / "log.csv", SPIKES, tries=["clip-by-global-norm:1e-9"], epsilon=0.5)
    told = drawn(picture(report)).linked[0]["title"]["subtitle"]
    assert any("1e-09" in line for line in told)
    assert any("0.5" in line for line in told)
