"""Names are shortened in the middle of words, never in digits, and never so that two are alike."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradclip_cli.render.screens.names import shortened

LAYERS = [f"model.layers.{k}.self_attention.{kind}_proj" for k in (2, 17, 123456) for kind in "qkvo"]


@pytest.mark.parametrize("width", [10, 16, 24, 32])
def test_names_stay_apart_and_keep_their_digits(width: int) -> None:
    """However narrow it is, no two names become alike, and no digit is lost."""
    short = shortened(LAYERS, width)
    assert len(set(short)) == len(LAYERS)
    assert [re.findall(r"\d+", name) for name in short] == [re.findall(r"\d+", name) for name in LAYERS]


def test_names_that_fit_stay() -> None:
    """Only what is too wide is cut: its longest words, at their ends."""
    assert shortened(["norm", "model.layers.2.mlp.down_proj"], 20) == ["norm", "mod….lay….2.mlp.dow…"]
    assert shortened(["embedding.weight"], 12) == ["embe….weig…"]
    assert shortened(["a.b", "c.d"], 3) == ["a.b", "c.d"]


def test_wide_characters_take_two_cells() -> None:
    """Chinese words are cut by their width."""
    assert shortened(["模型编码器注意力.权重"], 14) == ["模型编码….权重"]


@given(
    st.lists(st.from_regex(r"[a-z]{1,12}(\.[0-9]{1,3}|\.[a-z]{1,9}){0,4}", fullmatch=True), unique=True),
    st.integers(1, 30),
)
def test_no_two_names_become_alike(names: list[str], width: int) -> None:
    """Names that differ stay different, in their order."""
    short = shortened(names, width)
    assert len(short) == len(names) == len(set(short))
