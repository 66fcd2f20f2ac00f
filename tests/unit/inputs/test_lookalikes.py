"""Names that say that a tensor is no plain gradient are noted, with patterns that leave out those tensors and no others."""

import shlex
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from support.official import save

import gradclip_cli
from gradclip_cli.inputs.lookalikes import lookalike_notes
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import FLOAT8_E4M3FN, FLOAT32, DType
from gradclip_cli.tensors import TensorSpec

INT64 = DType("int64", 8, "int")


def notes(*names: str, whole: tuple[str, ...] = ()) -> list[Note]:
    """Return the notes on floats, and integers beside them."""
    specs = [*(TensorSpec(name, FLOAT32, (2,)) for name in names), *(TensorSpec(name, INT64, (2,)) for name in whole)]
    return lookalike_notes("g.npz", specs, range(len(names)))


def patterns(note: Note) -> list[str]:
    """Return the patterns that a note says to exclude, as a shell reads them."""
    words = shlex.split(note.text)
    return [words[k + 1] for k, word in enumerate(words) if word == "--exclude"]


STATE = [
    "state.0.exp_avg",
    "exp_avg",
    "state.0.exp_avg_sq",
    "w/max_exp_avg_sq",
    "momentum_buffer.layers.0.weight",
    "layers.0.weight.momentum_buffer",
    "optimizer/vars/3",
    "run.optimizer.state.w",
    "opt_state.0.mu.dense.kernel",
    "opt_state/0/nu/dense/kernel",
    "master_weights.w",
    "momentum.w",
    "dense/kernel/momentum",
    "adam.mu.w",
    "run/adamw/0/inner/nu/w",
    "opt.0.mu",
    "model_ema.fc.w",
    "ema.fc.w",
]

PLAIN = [
    "momentum_encoder.layers.0.weight",
    "encoder.momentum.weight",
    "head.mu.weight",
    "head.nu.weight",
    "vae/mu/kernel",
    "optical.mu.weight",
    "optimizer_head.weight",
    "adapter.weight",
    "adamant.mu_layer.weight",
    "my_exp_avg.weight",
    "exp_avg2",
    "option.weight",
    "layers.0.optim_scale",
    "opt.mute.w",
]


@pytest.mark.parametrize("name", STATE)
def test_state_of_an_optimizer(name: str) -> None:
    """A whole component that only optimizers write is noted; the pattern leaves out that tensor, and no plain gradient."""
    [note] = notes(name, *PLAIN)
    assert (note.kind, note.times, note.changes_figures) == ("optimizer-state", 1, True)
    assert note.text.startswith(
        f"g.npz: 1 tensor that counts as gradients looks like optimizer state: {name}; if so, give"
    )
    [pattern] = patterns(note)
    assert fnmatchcase(name, pattern)
    assert not any(fnmatchcase(plain, pattern) for plain in PLAIN)


@pytest.mark.parametrize("name", PLAIN)
def test_names_that_only_resemble_them(name: str) -> None:
    """A layer may well be called like that."""
    assert notes(name, "w") == []


def test_many_tensors_are_one_note() -> None:
    """There is one pattern for each place of a component, and one note for all tensors."""
    names = [f"{k}.{part}" for k in range(5) for part in ("exp_avg", "exp_avg_sq", "weight")]
    [note] = notes(*names)
    assert note.text == (
        "g.npz: 10 tensors that count as gradients look like optimizer state: 0.exp_avg, 0.exp_avg_sq, 1.exp_avg, 1.exp_avg_sq"
        " and 6 more; if so, give --exclude '*.exp_avg' --exclude '*.exp_avg_sq'"
    )
    assert note.times == 10


def test_nothing_but_state() -> None:
    """Where all tensors are state, to leave them out would leave nothing."""
    [note] = notes("0.exp_avg", "1.exp_avg")
    assert note.text.endswith("optimizer state: 0.exp_avg, 1.exp_avg")


def test_integers_are_no_gradients() -> None:
    """What does not count is not noted."""
    assert notes("w", whole=("state.0.exp_avg",)) == []


@pytest.mark.parametrize("separator", "./")
def test_parts_of_sparse_tensors(separator: str) -> None:
    """Values beside integer indices of the same name are noted; values alone, or beside floats, are not."""
    [note] = notes(f"emb{separator}values", "w", whole=(f"emb{separator}indices",))
    assert (note.kind, note.times) == ("sparse-parts", 1)
    assert note.text.startswith("g.npz: saved as the indices and values of sparse tensors: emb; where indices repeat")
    assert patterns(note) == [f"emb{separator}values"]
    assert notes(f"emb{separator}values", "w") == []
    assert notes(f"emb{separator}values", f"emb{separator}indices") == []
    assert notes("emb.values", whole=("other.indices",)) == []


def test_patterns_of_sparse_tensors() -> None:
    """A name is escaped; the names of many have one pattern."""
    [note] = notes("e[0].values", whole=("e[0].indices",))
    assert fnmatchcase("e[0].values", patterns(note)[0])
    [note] = notes("a.values", "b.values", "c.values", whole=("a.indices", "b.indices", "c.indices"))
    assert patterns(note) == ["*.values"]


def test_where_the_notes_are_told(tmp_path: Path) -> None:
    """`stats`, `apply` and `check` tell them; with the patterns, and where --include chose the tensors, they are gone."""
    one = np.ones(2, np.float32)
    path = save(tmp_path, "npz", {"w": one, "0.exp_avg": one, "emb.values": one, "emb.indices": np.zeros((1, 2), int)})
    found = gradclip_cli.stats(path).notes
    assert [note.kind for note in found] == ["optimizer-state", "sparse-parts"]
    assert gradclip_cli.apply(path, strategy="none", dry_run=True).notes == found
    assert gradclip_cli.check(path).notes == found
    told = [pattern for note in found for pattern in patterns(note)]
    assert told == ["*.exp_avg", "emb.values"]
    assert gradclip_cli.stats(path, exclude=told).notes == []
    assert gradclip_cli.stats(path, include=["*.exp_avg", "emb.*"]).notes == []


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("fc.weight_scale", "fc.weight"),
        ("fc.weight_scale_inv", "fc.weight"),
        ("fc.weight.absmax", "fc.weight"),
        ("fc.scales", "fc.qweight"),
        ("fc.input_scale", "fc.weight"),
        ("blk.0.w_scale", "blk.0.w"),
    ],
)
def test_scales_of_packed_values(name: str, packed: str) -> None:
    """What is called after a tensor of whole numbers, or after its layer, as its scale is noted, with a pattern."""
    (note,) = notes(name, "head.weight", whole=(packed,))
    assert (note.kind, note.changes_figures) == ("scales", True)
    (pattern,) = patterns(note)
    assert (fnmatchcase(name, pattern), fnmatchcase("head.weight", pattern)) == (True, False)


def test_float8_has_scales_too() -> None:
    """A scale beside float8 values is one; beside floats of full width, or alone, it is a parameter."""
    for dtype, said in ((FLOAT8_E4M3FN, ["scales"]), (FLOAT32, [])):
        specs = [TensorSpec("fc.weight", dtype, (2,)), TensorSpec("fc.weight_scale", FLOAT32, (1,))]
        assert [note.kind for note in lookalike_notes("g.npz", specs, [0, 1])] == said
    assert notes("norm.scale", "attn.logit_scale", whole=("step",)) == []


def test_both_moments_of_a_tensor() -> None:
    """A tensor with both moments beside it, as MLX saves them, is noted; one with a single of them is not."""
    (note,) = notes("fc.w", "fc.w.m", "fc.w.v", "fc.b")
    assert (note.kind, note.times, patterns(note)) == ("moments", 1, ["*.m", "*.v"])
    assert notes("attn.q", "attn.k", "attn.v") == notes("fc.w", "fc.w.v") == []


def notes_on(*tensors: tuple[str, tuple[int, ...]]) -> list[Note]:
    """Return the notes on tensors of these names and shapes, all of which count."""
    return lookalike_notes("g.npz", [TensorSpec(name, FLOAT32, shape) for name, shape in tensors], range(len(tensors)))


@pytest.mark.parametrize(
    "name", ["loss", "lr", "run/learning_rate", "learnRate", "Epoch", "lora_a.alpha", "train.grad_norm", "step"]
)
def test_settings_of_a_run(name: str) -> None:
    """A single number that is called like a setting is noted, whatever its rank; the option leaves it out alone."""
    for shape in ((), (1,), (1, 1)):
        (note,) = notes_on((name, shape), ("fc.w", (2,)))
        assert (note.kind, note.changes_figures) == ("settings", True)
        words = shlex.split(note.text)
        assert words[words.index("--exclude") + 1] == name


def test_buffers_of_layers() -> None:
    """Buffers of layers have no gradients in any trainer."""
    (note,) = notes_on(("bn.running_mean", (4,)), ("bn.running_var", (4,)), ("bn.weight", (4,)))
    assert (note.kind, note.times) == ("buffers", 2)
    assert note.text.endswith("--exclude '*running_mean' --exclude '*running_var'")


@pytest.mark.parametrize(
    "tensors",
    [
        [
            ("fc.w", (2,)),
            ("fc.alpha", (64,)),
            ("loss.weight", (1,)),
            ("lrelu.w", (1,)),
            ("norm", (1,)),
            ("my_step", (1,)),
        ],
        [],
    ],
)
def test_what_is_neither_setting_nor_buffer(tensors: list[tuple[str, tuple[int, ...]]]) -> None:
    """A parameter with several elements, and a single number of a layer, give no note."""
    assert notes_on(*tensors) == []
