"""Small tensors that lie side by side: changed as many at once as can be, with the same bits as one by one."""

from collections.abc import Sequence
from itertools import accumulate, groupby

from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.transforms import is_normal, scale, scale_each
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.strategies.base import Action, Scale


def change(
    raw: Raw, dtype: DType, sizes: Sequence[int], actions: Sequence[Action | None], work: Workspace
) -> list[int]:
    """Change tensors of so many elements in place; return how many of each were clipped one by one."""
    ends = list(accumulate((size * dtype.itemsize for size in sizes), initial=0))
    clipped = [0] * len(sizes)
    for scaled, run in groupby(range(len(sizes)), lambda k: _only_scales(actions[k])):
        members = list(run)
        if scaled:
            first, last = members[0], members[-1] + 1
            _scale(raw[ends[first] : ends[last]], dtype, actions[first:last], sizes[first:last], work)
            continue
        for k in members:
            if action := actions[k]:
                clipped[k] = action.apply(raw[ends[k] : ends[k + 1]], dtype, work)
    return clipped


def _only_scales(action: Action | None) -> bool:
    return isinstance(action, Scale) and is_normal(action.factor)


def _scale(raw: Raw, dtype: DType, actions: Sequence[Action | None], sizes: Sequence[int], work: Workspace) -> None:
    factors = [action.factor for action in actions if isinstance(action, Scale)]
    if len(set(factors)) == 1:
        scale(raw, dtype, factors[0], factors[0], 1.0, work)
    else:
        scale_each(raw, dtype, factors, sizes, work)
