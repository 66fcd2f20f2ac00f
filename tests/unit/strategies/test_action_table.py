"""A table of actions maps the indices of the tensors that change to their actions."""

import pickle

import numpy as np
import pytest

from gradclip_cli.strategies.action_table import ActionTable, actions_on, ascending, indices_of
from gradclip_cli.strategies.actions import Action, Clamp, Scale

HALF, LIMIT = Scale(1.0, 2.0), Clamp(3.0)


def test_a_table_is_a_mapping() -> None:
    """Indices ascend; what does not change is not in it."""
    table = ActionTable([HALF, LIMIT], np.array([-1, 1, 0, -1, 1], np.int32))
    plain: dict[int, Action] = {1: LIMIT, 2: HALF, 4: LIMIT}
    assert dict(table) == plain == dict(pickle.loads(pickle.dumps(table)))
    assert (len(table), 0 in table, 4 in table, 5 in table, -1 in table, table.get(3)) == (
        3,
        False,
        True,
        False,
        False,
        None,
    )
    with pytest.raises(KeyError):
        table[0]
    assert dict(table.within(1, 3)) == {0: LIMIT, 1: HALF}
    for one in (table, plain):
        assert actions_on(one, 1, 3) == [LIMIT, HALF, None]
        assert list(indices_of(one)) == [1, 2, 4]


def test_adjacent_indices_are_a_range() -> None:
    """Where all tensors from one on change, no list of them is made."""
    assert indices_of(ActionTable([HALF], np.array([-1, 0, 0], np.int32))) == range(1, 3)
    assert list(indices_of(ActionTable([HALF], np.array([-1], np.int32)))) == []
    assert ascending(range(3)) == range(3)
    assert ascending({2: 0, 1: 0}) == [1, 2]
