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
    """Where all names fit none is cut."""
    assert shortened(["a.b", "c.d"], 3) == ["a.b", "c.d"]
    assert shortened(["norm", "model.layers.2.mlp.down_proj"], 28) == ["norm", "model.layers.2.mlp.down_proj"]


TENSORS = [
    "model.embed_tokens.weight",
    "model.layers.9.input_layernorm.weight",
    "model.layers.9.self_attn.q_proj.weight",
    "model.layers.17.mlp.gate_proj.bias",
    "lm_head.weight",
]


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (
            24,
            [
                "….embed_tokens.weight",
                "….9.input_layern….weight",
                "….9.self….q_proj.weight",
                "….17.mlp.gate_proj.bias",
                "lm_head.weight",
            ],
        ),
        (
            32,
            [
                "mo….embed_tokens.weight",
                "mo….la….9.input_layernorm.weight",
                "mo….la….9.self_a….q_proj.weight",
                "mo….la….17.mlp.gate_proj.bias",
                "lm_head.weight",
            ],
        ),
        (38, TENSORS),
    ],
)
def test_a_column_has_one_look(width: int, names: list[str]) -> None:
    """If one name is too wide, the words of all are cut by one limit: what they share first, the last components last."""
    assert shortened(TENSORS, width) == names


def test_what_ends_all_names_tells_nothing() -> None:
    """Components that all names end with are cut before those that tell names apart."""
    names = [f"base_model.layers.0.self_attn.{kind}_proj.lora_A.default" for kind in "qkv"]
    assert shortened(names, 30) == [f"ba….la….0.se….{kind}_proj.lo….defa…" for kind in "qkv"]


def test_a_word_at_one_place_is_cut_alike_in_all_names() -> None:
    """`model` and `layers` look the same in names that would fit and in those that would not."""
    short = shortened([f"model.layers.{k}.{'mlp' if k % 2 else 'post_attention_layernorm'}.w" for k in range(24)], 20)
    assert len({name.split(".")[0] for name in short}) == len({name.split(".")[1] for name in short}) == 1
    assert len(set(short)) == 24
    assert max(map(len, short)) <= 20


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
