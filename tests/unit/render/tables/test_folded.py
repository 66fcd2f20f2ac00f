"""Lines below a table are folded where a person reads them, and never where one copies them."""

import io
from pathlib import Path

import numpy as np
import pytest
from support.official import savez

from gradclip_cli import render, stats
from gradclip_cli.render.view import View
from unit.render.made import Terminal


def test_what_stands_below_a_picture_is_folded_between_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that says what the marks of a histogram are is no wider than a terminal; into a pipe it is one."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")
    for k, norm in enumerate([1.0, 1.1, 0.9] * 4 + [200.0]):
        np.savez(tmp_path / f"step_{k}.npz", w=np.array([norm]))
    report, shown, piped = stats(tmp_path), Terminal(), io.StringIO()
    for stream in (shown, piped):
        render.write(report, stream, View("table", frozenset({"total"})))
    legend = "m median 1, 9 p90 1.1, M mean 16.31, T threshold by mean 16.31, A advised, mad:5 1.741"
    assert legend in piped.getvalue().splitlines()
    assert legend in " ".join(shown.getvalue().splitlines())
    assert max(len(line) for line in shown.getvalue().splitlines() if "gradclip apply" not in line) <= 60


def test_an_option_to_be_copied_is_never_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the name of a layer is, the option with its threshold stands on one line."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    layer = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default"
    for k in range(3):
        savez(tmp_path / f"step_{k}.npz", **{f"{layer}.weight": np.array([1.5 + k / 8])})
    stream = Terminal()
    render.write(stats(tmp_path), stream, View("table", frozenset({"layer"})))
    assert f"--layer '{layer}=:1.625'" in (line.strip() for line in stream.getvalue().splitlines())
