import numpy as np

from gradclip_cli.render.html.nonfinite import picture
from gradclip_cli.reports.stats_findings import NonfiniteTensor
from unit.render.html.made import run_of

NAN, INF = float("nan"), float("inf")
TENSOR = NonfiniteTensor("run/1.npz", 10, "b.weight", 2, 0, 1, 8, "NaN", [0, 3], None)


def test_the_first_layer_to_go_bad_stands_on_top() -> None:
    """Rows begin with the earliest step, and within a step with the layer that is nearest to the loss."""
    found = picture(run_of(["a", "b", "c"], [[1, NAN, NAN, 1], [1, NAN, 1, INF], [1, 1, 1, 1]]))
    assert found is not None
    values = found.alone["data"]["values"]
    assert [(one["row"], one["at"], one["what"]) for one in values] == [
        ("b", 10, "NaN"),
        ("b", 30, "Inf"),
        ("a", 10, "NaN"),
        ("a", 20, "NaN"),
    ]
    assert values[0]["first"]
    assert found.tables[0].rows == [["b", "10", "30", "2", "nan"], ["a", "10", "20", "2", "nan"]]
    assert found.says == "2 layers in 3 dumps not finite, first b at step 10."


def test_tensors_are_told_where_they_are_known() -> None:
    """The table has the tensors with what they hold, and the sentence names the first."""
    found = picture(run_of(["a", "b"], [[1, 1], [1, NAN]], nonfinite=[TENSOR]))
    assert found is not None
    assert found.tables[1].rows == [["10", "b.weight", "2", "0", "1", "8", "NaN", "[0, 3]"]]
    assert "first b.weight (NaN at index [0, 3]) at step 10" in found.says


def test_columns_of_many_steps_lose_no_nan() -> None:
    """A single NaN among 5,000 steps is drawn, in the column of its step."""
    norms = np.ones((2, 5000))
    norms[1, 4321] = NAN
    found = picture(run_of(["a", "b"], norms))
    assert found is not None
    (one,) = found.alone["data"]["values"]
    first, last = map(int, one["step"].split(" to "))
    assert first <= 43210 <= last


def test_one_dump_shows_its_tensors() -> None:
    """The tensors of one dump are bars, by what they hold."""
    found = picture(run_of(["b"], [[NAN]], nonfinite=[TENSOR]))
    assert found is not None
    assert [(one["what"], one["share"]) for one in found.alone["data"]["values"]] == [("NaN", 0.25), ("-Inf", 0.125)]


def test_what_is_finite_has_no_picture() -> None:
    """Finite dumps have none, and neither have layers that are absent."""
    assert picture(run_of(["a"], [[1, 0]])) is None
    assert picture(run_of(["a", "b"], [[1, 1], [NAN, 1]], np.array([[False, False], [True, False]]))) is None
    assert picture(run_of(["a"], [[1.0]])) is None
