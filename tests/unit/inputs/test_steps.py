"""Steps are read from the names of files and folders, by a list of words or by the one number in which names differ."""

import pytest

from gradclip_cli.inputs.steps import StepName, step_and_epoch, step_named, step_of, steps_by_pattern


@pytest.mark.parametrize(
    ("path", "step"),
    [
        *(
            (f"run/{word}_12.npz", 12)
            for word in ("step", "global_step", "iter", "iteration", "it", "checkpoint", "ckpt")
        ),
        *((f"run/{word}-7.h5", 7) for word in ("batch", "epoch")),
        ("step-1k.npz", 1000),
        ("step_1.5K.npz", 1500),
        ("step_2M-ema.npz", 2_000_000),
        ("step_3km.npz", 3),
        ("it73v.npz", None),
        ("it2k.npz", 2000),
        ("step_4.5.npz", 4),
        ("checkpoint_2_400.npz", 400),
        ("checkpoint_2_400_8.npz", 400),
        ("epoch_0_step_10.npz", 10),
        ("step_10_epoch_3.npz", 10),
        ("step_5_batch_2.npz", 5),
        ("step_0_micro_batch_3.npz", 0),
        ("step_1_iter_2.npz", 2),
        ("checkpoint-500/gradients.safetensors", 500),
        ("checkpoint-500/epoch_3.npz", 3),
        ("profit12.npz", None),
        ("commit_7.npz", None),
        ("minibatch_3.npz", None),
        ("mini_batch_3.npz", None),
        ("step.npz", None),
        ("iter_0000100/mp_rank_00_000/g.npz", 100),
        ("step_4/rank1.npz", 4),
        ("run/step_00042.npz", 42),
        ("step=42.safetensors", 42),
        ("global_step42.h5", 42),
        ("iter-42.npz", 42),
        ("checkpoint-42/grads.npz", 42),
        ("runs/Step100/w.npz", 100),
        ("iteration 7.npz", 7),
        ("ckpt-3.npz", 3),
        ("step_1/step_2.npz", 2),
        ("epoch=3-step=100.npz", 100),
        ("step0.npz", 0),
        ("grads.npz", None),
        ("footstep_4.npz", None),
        ("model-00001-of-00003.safetensors", None),
        ("step_5/deep/grads.npz", None),
    ],
)
def test_the_step_in_a_path(path: str, step: int | None) -> None:
    """The last number behind a word for steps, else behind `batch`, else behind `epoch`; the file's name goes first."""
    assert step_of(path) == step


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("epoch=1-batch=0.npz", (0, 1)),
        ("checkpoint_2_400.npz", (400, 2)),
        ("epoch_2/step_5.npz", (5, 2)),
        ("run/epoch_2/step_5/g.npz", (5, 2)),
        ("run/epoch_2.npz", (2, None)),
        ("epoch_1/g.npz", (1, None)),
        ("step_3.npz", (3, None)),
        ("g.npz", (None, None)),
    ],
)
def test_the_epoch_beside_a_step(path: str, expected: tuple[int | None, int | None]) -> None:
    """An epoch stands beside the step in one name, or in the name of the folder above."""
    assert step_and_epoch(path) == StepName(*expected)


def test_a_group_inside_a_file_is_a_step_if_it_is_nothing_else() -> None:
    """A name that consists of a step is one; a layer that ends like a step is none."""
    assert [step_named(name) for name in ("step100", "ckpt-3", "lstm_step1", "step", "batch_1")] == [
        100,
        3,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["g-0000100.npz", "g-0000200.npz"], [100, 200]),
        (["0000100_adapters.npz", "0000200_adapters.npz", "adapters.npz"], [100, 200, None]),
        (["grads.17.h5", "grads.8.h5"], [17, 8]),
        (["v2-g1.npz", "v2-g2.npz"], [1, 2]),
        (["100", "200"], [100, 200]),
        (["g1.npz", "h2.npz"], [None, None]),
        (["a1_b1.npz", "a2_b2.npz"], [None, None]),
        (["g1.npz"], [None]),
        (["g1.npz", "g01.npz"], [None, None]),
        (["a.npz", "b.npz"], [None, None]),
        *(
            ([f"{word}0.npz", f"{word}1.npz"], [None, None])
            for word in (
                "rank",
                "rank_",
                "dp_rank_",
                "shard-",
                "stage",
                "tp",
                "micro_",
                "micro_batch_",
                "layer.",
                "client_",
            )
        ),
        *(([f"{word}0.1.npz", f"{word}0.2.npz"], [None, None]) for word in ("lr", "lr_", "run_wd=")),
        (["batch_size_32.npz", "batch_size_64.npz"], [None, None]),
        (["model0-mp2.npz", "model1-mp2.npz"], [None, None]),
        (["m-1-of-3.npz", "m-2-of-3.npz"], [None, None]),
        (["rank_0_of_2.npz", "rank_1_of_2.npz"], [None, None]),
    ],
)
def test_the_one_number_in_which_names_differ(names: list[str], steps: list[int | None]) -> None:
    """Names that are the same but for one number have it as their step, unless it numbers parts, members or settings."""
    assert steps_by_pattern(names) == steps
