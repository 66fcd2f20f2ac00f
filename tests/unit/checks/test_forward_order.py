"""Names of real models sort as their forward passes run, and what only the alphabet sorts is known to be a guess."""

import random

import pytest

from gradclip_cli.checks.forward_order import Last, forward_key, is_settled, last_of, rows_need_not_occur

MODELS = {
    "llama": [
        "model.embed_tokens.weight",
        "model.layers.2.input_layernorm.weight",
        "model.layers.2.self_attn.k_proj.weight",
        "model.layers.2.self_attn.q_proj.weight",
        "model.layers.2.self_attn.o_proj.weight",
        "model.layers.2.post_attention_layernorm.weight",
        "model.layers.2.mlp.gate_proj.weight",
        "model.layers.2.mlp.down_proj.weight",
        "model.layers.10.input_layernorm.weight",
        "model.norm.weight",
        "lm_head.weight",
    ],
    "llama, as published": [
        "tok_embeddings.weight",
        "layers.0.attention_norm.weight",
        "layers.0.attention.wk.weight",
        "layers.0.attention.wo.weight",
        "layers.0.ffn_norm.weight",
        "layers.0.feed_forward.w1.weight",
        "layers.0.feed_forward.w3.weight",
        "layers.0.feed_forward.w2.weight",
        "norm.weight",
        "output.weight",
    ],
    "gpt2": [
        "transformer.wte.weight",
        "transformer.h.0.ln_1.weight",
        "transformer.h.0.attn.c_attn.weight",
        "transformer.h.0.attn.c_proj.weight",
        "transformer.h.0.ln_2.weight",
        "transformer.h.0.mlp.c_fc.weight",
        "transformer.h.0.mlp.c_proj.weight",
        "transformer.ln_f.weight",
        "lm_head.weight",
    ],
    "bert": [
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.9.attention.self.query.weight",
        "bert.encoder.layer.9.attention.output.dense.weight",
        "bert.encoder.layer.9.intermediate.dense.weight",
        "bert.encoder.layer.9.output.dense.weight",
        "bert.encoder.layer.9.output.LayerNorm.weight",
        "bert.encoder.layer.11.attention.self.query.weight",
        "bert.pooler.dense.weight",
        "classifier.weight",
    ],
    "vit": [
        "patch_embed.proj.weight",
        "blocks.0.norm1.weight",
        "blocks.0.attn.qkv.weight",
        "blocks.0.attn.proj.weight",
        "blocks.0.norm2.weight",
        "blocks.0.mlp.fc1.weight",
        "blocks.0.mlp.fc2.weight",
        "norm.weight",
        "head.weight",
    ],
    "t5": [
        "shared.weight",
        "encoder.block.0.layer.0.SelfAttention.q.weight",
        "decoder.block.0.layer.0.layer_norm.weight",
    ],
    "resnet": ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight", "layer4.0.conv1.weight", "fc.weight"],
    "keras": ["dense/kernel:0", "dense_1/kernel:0", "dense_2/kernel:0", "dense_10/kernel:0"],
    "flax": ["['params']['Conv_0']['kernel']", "['params']['Dense_0']['kernel']", "['params']['Dense_1']['kernel']"],
    "numbers alone": ["0.weight", "2.weight", "10.weight"],
    "leading zeros of any length": ["l.9.w", "l.0010.w", f"l.1{'0' * 5000}.w"],
}


@pytest.mark.parametrize("model", MODELS)
def test_models(model: str) -> None:
    """However a file sorts them, the tensors of a model come in the order of its forward pass."""
    names = MODELS[model]
    shuffled = random.Random(1).sample(names, len(names))
    assert sorted(shuffled, key=forward_key) == names


@pytest.mark.parametrize(
    "name",
    ["positions.weight", "wpe.weight", "position_embeddings.weight", "pos_embed", "embed_positions.weight"],
)
def test_positions_come_first(name: str) -> None:
    """The embedding of positions is one, however it is called, and comes before the blocks; a composition is none."""
    assert rows_need_not_occur(name)
    assert sorted(["blocks.0.w", "norm.w", name], key=forward_key) == [name, "blocks.0.w", "norm.w"]
    assert not rows_need_not_occur("compositions.weight")


@pytest.mark.parametrize(
    ("one", "other", "settled"),
    [
        ("layers.2.a.w", "layers.10.b.w", True),
        ("embed.w", "lm_head.w", True),
        ("dense/kernel", "dense_1/kernel", True),
        ("lstm.weight", "lstm.bias", True),
        ("lstm.weight", "lstm.weight", True),
        ("layers.2.a.w", "layers.2.b.w", False),
        ("conv.w", "dense.w", False),
        ("conv", "dense", False),
        ("conv", "conv.w", True),
    ],
)
def test_what_names_settle(one: str, other: str, settled: bool) -> None:
    """Known words, numbers and a common module settle the order; different unknown words do not."""
    assert is_settled(forward_key(one), forward_key(other)) is settled
    assert is_settled(forward_key(other), forward_key(one)) is settled


def test_the_last_of_some() -> None:
    """The last is settled if it is against each of the others; a tensor alone is."""
    assert last_of(["layers.1.w", "layers.3.w", "embed.w"]) == Last("layers.3.w", True)
    assert last_of(["conv.w", "dense.w"]) == Last("dense.w", False)
    assert last_of(["conv.w"]) == Last("conv.w", True)
