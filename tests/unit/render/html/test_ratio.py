import numpy as np

from gradclip_cli.render.html.pooled import NONFINITE, ZERO
from gradclip_cli.render.html.ratio import picture
from unit.render.html.made import cells_in, run_of

LAYERS = ["a", "b", "c"]


def test_a_cell_is_the_norm_of_one_run_over_that_of_the_other() -> None:
    """Layers and steps that both runs have are compared; 0 over 0 is the same, 0 alone or below is told apart."""
    mine = run_of(LAYERS, [[10.0, 1.0, 5.0], [0.0, 0.0, 1.0], [1.0, 1.0, np.nan]])
    other = run_of(["a", "b", "c", "d"], [[1.0, 10.0, 5.0], [0.0, 2.0, 0.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    found = picture(mine._replace(against=other.stats))
    assert found is not None
    assert cells_in(found.alone) == [[100, -100, 0], [0, ZERO, NONFINITE], [0, 0, NONFINITE]]
    assert found.tables[0].rows[0] == ["a", "1", "10", "0"]


def test_steps_are_matched_by_number() -> None:
    """Of runs with different steps, the steps in both are drawn; what is absent in one is absent."""
    mine = run_of(["a", "b"], [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    absent = np.array([[False] * 3, [False, True, False]])
    other = run_of(["a", "b"], [[9.0, 1.0, 1.0], [1.0, 0.0, 1.0]], absent)
    later = other.stats._replace(dumps=[dump._replace(step=(dump.step or 0) + 10) for dump in other.stats.dumps])
    found = picture(mine._replace(against=later))
    assert found is not None
    assert cells_in(found.alone) == [[-65, 48], [0, None]]


def test_the_sentence_names_the_layer_that_differs_most() -> None:
    """The sentence has the ratio farthest from 1, and says where runs are the same."""
    mine = run_of(LAYERS, np.ones((3, 2)))
    other = run_of(LAYERS, [[1.0, 1.0], [1.0, 4.0], [1.0, 1.0]])
    found, same = picture(mine._replace(against=other.stats)), picture(mine._replace(against=mine.stats))
    assert found is not None
    assert same is not None
    assert found.says == "3 layers and 2 steps in both runs; b differs most, 0.25 times the other at step 10."
    assert same.says == "3 layers and 2 steps in both runs, whose norms are the same."


def test_runs_without_anything_in_common_have_no_picture() -> None:
    """One run, other layers, other steps and a single dump have no ratio."""
    mine = run_of(LAYERS, np.ones((3, 2)))
    others = run_of(["x"], np.ones((1, 2))).stats
    far = mine.stats._replace(dumps=[dump._replace(step=1000 + k) for k, dump in enumerate(mine.stats.dumps)])
    for against in (None, others, far, run_of(LAYERS, np.ones((3, 1))).stats):
        assert picture(mine._replace(against=against)) is None
