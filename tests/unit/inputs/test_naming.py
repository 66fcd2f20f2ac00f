"""Names of real frameworks become the layer and the param that a person would name."""

import random
import re

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import (
    WRAPPERS,
    Naming,
    block_noun,
    block_of,
    blocks_are_layers,
    identities,
    natural,
    other_names,
)

TABLE = [
    ("lstm.weight_ih_l0", "lstm", "weight_ih_l0"),  # PyTorch
    ("lstm.bias_hh_l1_reverse", "lstm", "bias_hh_l1_reverse"),
    ("transformer.h.10.attn.c_attn.weight", "transformer.h.10.attn.c_attn", "weight"),
    ("model.layers.2.self_attn.q_proj.weight", "model.layers.2.self_attn.q_proj", "weight"),
    ("0.weight", "0", "weight"),
    ("module.encoder.layers.3.norm1.bias", "encoder.layers.3.norm1", "bias"),  # DistributedDataParallel
    ("encoder.module.norm.bias", "encoder.module.norm", "bias"),
    ("modules.conv.weight", "modules.conv", "weight"),
    ("_fsdp_wrapped_module.layers.0._fsdp_wrapped_module.fc.weight", "layers.0.fc", "weight"),  # FSDP
    ("layers.4._checkpoint_wrapped_module.fc.bias", "layers.4.fc", "bias"),
    ("_orig_mod.lstm.weight_hh_l0", "lstm", "weight_hh_l0"),  # torch.compile
    ("module._orig_mod.fc.weight", "fc", "weight"),
    ("_orig_mod.module.fc.weight", "fc", "weight"),
    ("my_orig_mod.fc.weight", "my_orig_mod.fc", "weight"),
    ("params/Dense_0/kernel", "Dense_0", "kernel"),  # flax
    ("params/encoder/Dense_0/bias", "encoder/Dense_0", "bias"),
    ("linear/~/w", "linear/~", "w"),  # haiku
    ("mlp/~/linear_1/b", "mlp/~/linear_1", "b"),
    ("layers/lstm/cell/vars/0", "layers/lstm/cell", "0"),  # Keras 3
    ("layers/dense/vars/1", "layers/dense", "1"),
    ("dense/dense/kernel:0", "dense", "kernel"),  # legacy Keras
    ("lstm/lstm/lstm_cell/recurrent_kernel:0", "lstm/lstm_cell", "recurrent_kernel"),
    ("block/dense/bias:0", "block/dense", "bias"),
    ("weird/kernel:1", "weird", "kernel:1"),
    ("a.b/c.d", "a.b", "c.d"),
    ("kernel", "kernel", ""),
    ("weight_ih", "weight_ih", ""),
    ("_W", "_W", ""),
    ("0_W", "0", "W"),  # DL4J
    ("['params']['Dense_0']['kernel']", "Dense_0", "kernel"),  # JAX's keystr
    (".params['Block_0']['Dense_1']['bias']", "Block_0/Dense_1", "bias"),
    ("params,Dense_0,kernel", "Dense_0", "kernel"),
    ("net:::dense_1:::w", "net:::dense_1", "w"),
    ("x->y_1->w", "x->y_1", "w"),
    ("w x_1", "w x_1", ""),
    ("0_RW", "0", "RW"),
    ("12_b", "12", "b"),
]


@pytest.mark.parametrize(("name", "layer", "param"), TABLE)
def test_a_name_alone(name: str, layer: str, param: str) -> None:
    """A tensor that is alone in its dump gets the layer and the param of the documented rules."""
    (place,) = Naming().places([name])
    assert (place.layer, place.param) == (layer, param)


def test_an_underscore_cuts_where_two_names_share_what_stands_before_it() -> None:
    """DL4J's graph vertices `a_b_W` and `a_b_b` share a layer; a name that shares nothing is a layer itself."""
    places = Naming().places(["a_b_W", "a_b_b", "lonely_W", "out_W", "out_b"])
    assert [(place.layer, place.param) for place in places] == [
        ("a_b", "W"), ("a_b", "b"), ("lonely_W", ""), ("out", "W"), ("out", "b"),
    ]  # fmt: skip


def test_names_with_separators_share_no_underscore() -> None:
    """Only plain names count for what two names share."""
    (place, *_) = Naming().places(["fc_w", "fc_b.x", "fc_c/y"])
    assert (place.layer, place.param) == ("fc_w", "")


@pytest.mark.parametrize(
    ("name", "depth", "layer", "param"),
    [
        ("module.transformer.h.10.attn.weight", 1, "transformer", "h.10.attn.weight"),
        ("transformer.h.10.attn.weight", 3, "transformer.h.10", "attn.weight"),
        ("transformer.h.10.attn.weight", 99, "transformer.h.10.attn", "weight"),
        ("params/encoder/Dense_0/kernel", 1, "encoder", "Dense_0/kernel"),
        ("fc.weight", 1, "fc", "weight"),
        ("0_W", 5, "0", "W"),
        ("kernel", 2, "kernel", ""),
    ],
)
def test_depth_keeps_the_first_components(name: str, depth: int, layer: str, param: str) -> None:
    """A layer is the first N components after the wrappers, at most all but the last."""
    (place,) = Naming(depth=depth).places([name])
    assert (place.layer, place.param) == (layer, param)


def test_depth_cuts_at_underscores_too() -> None:
    """Where `_` is the separator, components are what stands between underscores."""
    places = Naming(depth=1).places(["a_b_W", "a_b_b"])
    assert [(place.layer, place.param) for place in places] == [("a", "b_W"), ("a", "b_b")]


def test_a_regex_replaces_the_rules() -> None:
    """The groups of a regex are layer and param; a name that it does not match is a layer."""
    naming = Naming(re.compile(r"^(?P<param>[wb])\.(?P<layer>\d+)$"))
    places = naming.places(["w.3", "b.12", "module.other.w"])
    assert [(place.layer, place.param) for place in places] == [("3", "w"), ("12", "b"), ("module.other.w", "")]


def test_a_regex_group_that_took_no_part_is_empty() -> None:
    """An optional group that did not match gives an empty text, not None."""
    (place,) = Naming(re.compile(r"(?P<layer>\w+)(?:\.(?P<param>\w+))?")).places(["fc"])
    assert (place.layer, place.param) == ("fc", "")


@pytest.mark.parametrize(
    "ordered",
    [
        ["layers.2", "layers.10", "layers.11"],
        ["0", "1", "2", "10", "100"],
        ["a", "a1", "a2b", "a10", "b"],
        ["block9/x", "block10/a"],
        ["l1", f"l{10**30}", f"l{10**30 + 1}"],
    ],
)
def test_natural_order(ordered: list[str]) -> None:
    """Numbers in names are compared as numbers of any length, the rest as text."""
    shuffled = random.Random(0).sample(ordered, len(ordered))
    assert sorted(shuffled, key=natural) == ordered


def test_wrappers_are_told_from_other_names_at_a_glance() -> None:
    """A name without `mod` is not searched for wrappers."""
    assert all("mod" in wrapper for wrapper in {"module", *WRAPPERS})


@pytest.mark.parametrize(
    ("regex", "depth", "reason"),
    [
        (None, 0, "at least 1"),
        (None, -3, "at least 1"),
        ("(", None, "no regular expression"),
        ("(?P<layer>x)", None, r"needs the groups"),
        ("(?P<layer>x)(?P<param>y)", 2, "exclude each other"),
    ],
)
def test_rules_of_naming_that_cannot_be(regex: str | None, depth: int | None, reason: str) -> None:
    """A depth below 1, a broken regex, one without its groups, and both together are wrong usage."""
    with pytest.raises(UsageError, match=reason):
        Naming.parse(regex, depth)


def test_rules_of_naming() -> None:
    """Depth and regex arrive where names are cut."""
    assert Naming.parse(None, 3).depth == 3
    regex = Naming.parse("(?P<layer>.)(?P<param>.)", None).regex
    assert regex is not None
    assert regex.pattern == "(?P<layer>.)(?P<param>.)"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["module.a.w", "_orig_mod.b.w"], ["a.w", "b.w"]),
        (["module.module.enc.module._fsdp_wrapped_module.0._checkpoint_wrapped_module.w"], ["enc.0.w"]),
        (["params/_orig_mod/enc/kernel:0"], ["params/enc/kernel:0"]),
        (
            ["modules.a", "my_module.a", "a.module", "module", "module."],
            ["modules.a", "my_module.a", "a.module", "module", "module."],
        ),
        (["a.w", "module.a.w"], ["a.w", "module.a.w"]),
        (["a.w", "module.a.w", "module.b.w"], ["a.w", "module.a.w", "module.b.w"]),
        ([], []),
    ],
)
def test_identities_are_names_without_wrappers(names: list[str], expected: list[str]) -> None:
    """Whole components that wrap others are dropped, unless two of the names would be one then."""
    assert list(identities(names)) == expected


@pytest.mark.parametrize(
    ("known", "names", "expected"),
    [
        (["a.w", "b.w"], ["module.a.w", "module.b.w"], {"module.a.w": "a.w", "module.b.w": "b.w"}),
        (["module.a.w"], ["_orig_mod.a.w"], {"_orig_mod.a.w": "module.a.w"}),
        (["a.w"], ["a.w", "b.w"], {}),
        (["a.w", "module.a.w"], ["_orig_mod.a.w"], {}),
        (["a.w"], ["module.a.w", "_orig_mod.a.w"], {}),
    ],
)
def test_other_names_of_known_tensors(known: list[str], names: list[str], expected: dict[str, str]) -> None:
    """A name that differs from a known one in wrappers only stands for it, where it can stand for no other."""
    assert other_names(known, names) == expected


@pytest.mark.parametrize(
    ("name", "settled"),
    [("a.w", True), ("a/w", True), ("0_W", True), ("w", True), ("a_W", False), ("module.a_W", False), ("_W", True)],
)
def test_the_layer_of_a_name_may_depend_on_others(name: str, settled: bool) -> None:
    """A layer before `_` needs a second tensor of it, unless it is a number; all other names speak for themselves."""
    assert Naming().is_settled(name) == settled
    assert Naming(depth=1).is_settled(name) == settled
    assert Naming.parse("(?P<layer>.)(?P<param>.*)", None).is_settled(name)


@pytest.mark.parametrize(
    ("layer", "block"),
    [
        ("model.layers.9.mlp.down_proj", "model.layers.9"),
        ("encoder.block.0.layer.1.SelfAttention.q", "encoder.block.0"),
        ("wav2vec2.encoder.layers.3.ff", "wav2vec2.encoder.layers.3"),
        ("layer1.0.conv1", "layer1.0"),
        ("encoder/layers_3/attention/query", "encoder/layers_3"),
        ("fc2", "fc2"),
        ("lstm", "lstm"),
        ("model.embed_tokens", "model.embed_tokens"),
        ("0", "0"),
        ("", ""),
    ],
)
def test_a_block_is_a_name_up_to_its_first_number(layer: str, block: str) -> None:
    """A component that is a number comes before one that ends in a number; without either, a layer is its own block."""
    assert block_of(layer) == block
    assert Naming().block(layer) == block


@pytest.mark.parametrize("naming", [Naming.parse(None, 3), Naming.parse("(?P<layer>.*)[.](?P<param>.*)", None)])
def test_a_chosen_layer_is_its_own_block(naming: Naming) -> None:
    """Where the user says what a layer is, that is what is shown."""
    assert naming.block("model.layers.9.mlp") == "model.layers.9.mlp"


def test_blocks_are_called_layers_where_no_two_layers_are_in_one() -> None:
    """Where each layer is a block of the same name, by its number or by --group-depth, blocks are called layers."""
    assert blocks_are_layers(["fc1", "fc2"], Naming())
    assert not blocks_are_layers(["h.0.a", "h.1.a"], Naming())
    assert not blocks_are_layers(["h.0.a", "h.0.b", "h.1.a"], Naming())
    assert blocks_are_layers(["h.0.a", "h.0.b"], Naming(depth=3))
    assert [block_noun(names, Naming()) for names in (["a", "b"], ["h.0.a", "h.0.b"])] == ["layer", "block"]
