"""The loss scale is a number that the user gives, or what the metadata of a file holds; what seems to have one is noted."""

import pytest

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.loss_scale import loss_scale_notes, parse_unscale, scale_of


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ("65536", 65536.0),
        (" 0.5 ", 0.5),
        (3.0, 3.0),
        ("loss_scale", "loss_scale"),
        ("scale:0", "scale:0"),
        (None, None),
    ],
)
def test_a_number_or_a_key(given: float | str | None, parsed: float | str | None) -> None:
    """What is a number is one, and everything else is a key."""
    assert parse_unscale(given) == parsed


@pytest.mark.parametrize("given", ["0", "-2", "inf", "nan", 0.0, -1.0, float("inf"), float("nan"), "", " "])
def test_what_is_no_scale(given: float | str) -> None:
    """A scale is above 0 and finite, and a key is not empty."""
    with pytest.raises(UsageError, match="--unscale must be a number above 0, or a key of the metadata"):
        parse_unscale(given)


def test_the_scale_of_a_file() -> None:
    """A number is the scale of every file; without the option it is 1, and nothing is read."""
    assert scale_of(None, {"loss_scale": "8"}, "g") == 1
    assert scale_of(4.0, {"loss_scale": "8"}, "g") == 4
    assert scale_of("loss_scale", {"loss_scale": " 8e0"}, "g") == 8


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "g: has no 'loss_scale' in its metadata, as --unscale asks; it holds none"),
        ({"lossscale": "2"}, "g: has no 'loss_scale' in its metadata, as --unscale asks; did you mean lossscale?"),
        ({"format": "pt"}, "g: has no 'loss_scale' in its metadata, as --unscale asks; it holds format"),
        (
            {"loss_scale": "many"},
            "g: 'loss_scale' in its metadata is 'many', no loss scale; give --unscale a number above 0",
        ),
        ({"loss_scale": "0"}, "g: 'loss_scale' in its metadata is '0', no loss scale; give --unscale a number above 0"),
        (
            {"loss_scale": "inf"},
            "g: 'loss_scale' in its metadata is 'inf', no loss scale; give --unscale a number above 0",
        ),
    ],
)
def test_metadata_without_a_scale(metadata: dict[str, str], message: str) -> None:
    """A key that is missing, or holds no number above 0, is an error of the input that names the file and the key."""
    with pytest.raises(InputError) as found:
        scale_of("loss_scale", metadata, "g")
    assert str(found.value) == message


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"loss_scale": "65536.0"}, "loss_scale"),
        ({"grad_scale": "0.5", "stage": "before-unscale"}, "grad_scale"),
        ({"loss_scale": "1.0", "grad_scale": "8"}, "grad_scale"),
        ({"loss_scale": "1"}, None),
        ({"loss_scale": "dynamic"}, None),
        ({"loss_scale": "8", "stage": "before-clip"}, None),
        ({"loss_scale": "8", "stage": "after-clip"}, None),
        ({}, None),
    ],
)
def test_a_scale_that_is_not_taken_into_account(metadata: dict[str, str], key: str | None) -> None:
    """A scale other than 1 is noted with the option to add, but not where gradients are unscaled already."""
    notes = loss_scale_notes(None, metadata, "g")
    assert [(note.kind, note.changes_figures) for note in notes] == [("loss-scale", True)] * (key is not None)
    if key is not None:
        assert notes[0].text == (
            f"g: its metadata says {key} {metadata[key]}, and norms are of the values as stored; "
            f"give --unscale {key} for those without it"
        )


def test_a_scale_that_may_be_taken_twice() -> None:
    """With the option, a stage after `unscale_` is noted."""
    (note,) = loss_scale_notes(8.0, {"stage": "after-clip"}, "g")
    assert note.text == (
        "g: its metadata says stage after-clip, where gradients are unscaled already; leave out --unscale if they are"
    )
    assert loss_scale_notes(8.0, {"loss_scale": "8"}, "g") == []


def test_captured_scales_are_taken_by_themselves() -> None:
    """A file that was captured scaled says so: its scale is taken, and that is noted; a number of the user goes before it."""
    facts = {"gradclip": "capture/1", "stage": "scaled", "loss_scale": "1024.0"}
    assert scale_of(None, facts, "g") == 1024.0
    assert scale_of(1.0, facts, "g") == 1.0
    (note,) = loss_scale_notes(None, facts, "g")
    assert note.text == (
        "g: captured with a loss scale of 1024.0, by which norms are divided; give --unscale 1 for the values as stored"
    )
    assert note.changes_figures
    for other in ({"gradclip": "other"}, {"stage": "before-clip"}):
        assert scale_of(None, facts | other, "g") == 1.0
