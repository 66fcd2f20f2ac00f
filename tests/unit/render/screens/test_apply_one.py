"""One dump shows its largest layers and params, before and after; a small one shows all of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import save_as

from gradclip_cli import apply
from gradclip_cli.render.screens.apply_one import one_dump
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room


def tables(tensors: dict[str, float], folder: Path, room: Room, **options: Any) -> list[str]:
    """Return the tables of a dump of tensors with one element each, in a dry run."""
    path = save_as(folder / "g.npz", {name: np.array([value]) for name, value in tensors.items()})
    [dump] = apply(path, dry_run=True, **options).dumps
    return [text_of(line) for line in one_dump(dump, room)]


def test_thirty_tensors_are_shown_whole(tmp_path: Path) -> None:
    """Up to thirty tensors both tables have all rows, in the order of layers."""
    text = tables({f"l{k}.w": k + 1.0 for k in range(30)}, tmp_path, Room(80), threshold=1)
    assert len(text) == 2 * (1 + 1 + 30 + 1)
    assert [line.split()[0] for line in text[2:32]] == [f"l{k}" for k in range(30)]


def test_of_more_the_ten_largest_are_shown(tmp_path: Path) -> None:
    """Of more tensors the ten largest layers and params are shown, those of the largest norm first; the others are counted."""
    tensors = {f"l{k}.{param}": k + 1.0 for k in range(20) for param in ("w", "b")}
    text = tables(tensors, tmp_path, Room(80), threshold=1e9)
    assert text[1].split()[:3] == ["layers", "by", "norm"]
    assert [line.split()[0] for line in text[2:12]] == [f"l{k}" for k in range(19, 9, -1)]
    assert text[2].split()[1] == f"{20 * 2**0.5:.4g}"
    assert text[12].strip() == "… 10 more: --by layer"
    norm = f"{(2 * sum(k * k for k in range(1, 21))) ** 0.5:.4g}"
    assert text[13].split() == text[-1].split() == ["total", norm, norm, "0", "of", "1", "20", "20"]
    assert text[16].split()[0] in ("l19.w", "l19.b")
    assert text[-2].strip() == "… 30 more: --by param"
    assert tables(tensors, tmp_path, Room(whole=True), threshold=1e9)[-2].strip() == "30 more: --by param"


def test_many_layers_are_gathered_in_blocks(tmp_path: Path) -> None:
    """Above thirty layers blocks stand for them, whose norms are the roots of the sums of squares."""
    tensors = {f"model.layers.{k}.{part}.w": float(k + 1) for k in range(12) for part in ("q", "k", "v")}
    text = tables(tensors, tmp_path, Room(80), threshold=1)
    assert text[1].split()[:3] == ["blocks", "by", "norm"]
    assert text[2].split()[:2] == ["model.layers.11", f"{12 * 3**0.5:.4g}"]
    assert text[12].strip() == "… 2 more: --by block, --by layer (36)"
    deep = tables(tensors, tmp_path, Room(80), threshold=1, group_depth=3)
    assert deep[1].split()[:3] == ["layers", "by", "norm"]


def test_a_layer_that_is_not_finite_comes_first(tmp_path: Path) -> None:
    """NaN is what a reader looks for, so it ranks above any norm."""
    tensors = {f"l{k}.w": k + 1.0 for k in range(40)} | {"l5.w": np.nan}
    text = tables(tensors, tmp_path, Room(80), threshold=1, nonfinite="skip")
    assert text[2].split()[:2] == ["l5", "nan"]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_names_before_figures(width: int, tmp_path: Path) -> None:
    """A narrow terminal shows fewer figures, then shorter names; no line is wider than it."""
    tensors = {f"model.layers.{k}.self_attention.out_proj.weight": k + 1.5 for k in range(40)}
    text = tables(tensors, tmp_path, Room(width), threshold=1)
    assert max(map(len, text)) <= width
    [at] = [k for k, line in enumerate(text) if line.startswith(" params by norm")]
    assert ("max after" in text[at]) == (width >= 120)
    assert text[at].split()[3:] == text[1].split()[3:]  # both tables have the same columns
    rows = [line.split()[0] for line in text[at + 1 : at + 11]]
    assert ("clipped" in text[at]) == (width >= 80)
    rows = [line.split()[0] for line in text[at + 1 : at + 11]]
    assert len(set(rows)) == 10
    assert all(any(char.isdigit() for char in row) for row in rows)


def test_what_counts_in_no_norm_has_no_figures(tmp_path: Path) -> None:
    """A tensor that is left out has its row in a small dump, and no figures."""
    text = tables({"a.w": 3.0, "b.w": 4.0}, tmp_path, Room(80), threshold=1, exclude=["b.w"])
    assert [line.split() for line in text if line.strip().startswith("b.w")] == [["b.w", "-", "-", "-", "-", "-", "-"]]


@pytest.mark.parametrize("top", [None, 3])
def test_the_order_is_the_same_however_many_are_asked_for(top: int | None, tmp_path: Path) -> None:
    """What is not finite comes first, by its other elements: an infinite layer with a 9 before one of NaN with a 2."""
    arrays = {f"l{k}.w": np.array([k + 1.0, 0]) for k in range(40)}
    arrays |= {"l3.w": np.array([np.nan, 2.0]), "l4.w": np.array([np.inf, 9.0])}
    path = save_as(tmp_path / "g.npz", arrays)
    [dump] = apply(path, dry_run=True, threshold=1, nonfinite="skip", group_depth=1).dumps
    text = [text_of(line) for line in one_dump(dump, Room(80, top=top))]
    assert [line.split()[:2] for line in text[2:5]] == [["l4", "inf"], ["l3", "nan"], ["l39", "40"]]
    [at] = [k for k, line in enumerate(text) if line.startswith(" params by norm")]
    assert [line.split()[0] for line in text[at + 1 : at + 4]] == ["l4.w", "l3.w", "l39.w"]


def test_as_many_as_are_asked_for(tmp_path: Path) -> None:
    """`-n` takes so many of the largest, also of a small dump; what counts in no norm is among the others."""
    text = tables({"a.w": 3.0, "b.w": 5.0, "c.w": 4.0}, tmp_path, Room(80, top=1), threshold=1, exclude=["c.w"])
    [at] = [k for k, line in enumerate(text) if line.startswith(" params by norm")]
    assert (text[at + 1].split()[0], text[at + 2].strip()) == ("b.w", "… 2 more: --by param")
    text = tables({f"l{k}.w": k + 1.0 for k in range(40)}, tmp_path, Room(80, top=12), threshold=1)
    assert [line.split()[0] for line in text[2:14]] == [f"l{k}" for k in range(39, 27, -1)]
