"""Read training steps from paths: the number behind a word such as `step`, or the one number in which names differ."""

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from gradclip_cli.inputs.name_numbers import apart, varying
from gradclip_cli.storage.location_names import without_query

WORDS = "global_?step|step|iteration|iter|it|checkpoint|ckpt"
"""What stands before a step; it is a pattern."""

# Two letters are a word of many kinds: `it73v` in a random name is no step, while `it73` and `it2k` are.
_WORDS = re.compile(
    r"(?<![a-z])(?<!micro[-_ ])(?<!mini[-_ ])(?!it\d+[a-jl-z])"
    r"(?:checkpoint_(?P<first>\d{1,18})_(?P<updates>\d{1,18})(?!\d)"
    rf"|(?:(?P<step>{WORDS})|(?P<batch>batch)|epoch)[-_= .]?"
    r"(?P<number>\d{1,20}(?!\d))(?:(?P<decimals>\.\d{1,6})?(?P<unit>[km])(?![a-z0-9]))?)",
    re.IGNORECASE,
)
# Patterns that few names need are compiled on their first use.
_WHOLE = rf"(?i)(?:{WORDS})[-_= .]?(\d{{1,20}})"
_EPOCH = r"(?i)(?<![a-z])epoch[-_= .]?(\d{1,18})"
_MOST_NAMES = 1 << 15  # each name is asked for several times while dumps are found
_LONGEST = 20
_MOST_FOLDERS = 1 << 10
_PARTS = (
    "rank|shard|part|stage|[pdtemcv]p|vmap|worker|gpu|device|node|proc|process|host|micro|micro[-_ ]?batch|mini[-_ ]?batch"
    "|expert|layer|block|head|member|replica|client|actor|agent|chunk|seed|fold|split|consolidated|version|v"
)
_SETTINGS = "lr|wd|decay|size|scale|alpha|beta|gamma|eps|dim|temp|dropout|weight_decay|learning_rate"
_NO_STEP = rf"(?i)(?<![a-z])(?:(?:{_PARTS})s?(?:[-_ ]rank)?|(?:{_SETTINGS}))[-_= .]*(?:0\.)*$"
"""What stands before the number of a part, of a member of an ensemble, or of a setting: no step. Other numbers are 0 in it."""
_PART = rf"(?i)(?:{_PARTS})s?(?:[-_ ]rank)?[-_= .]*\d+(?:[-_.]?(?:{_PARTS})?[-_]?\d+)*"
_OF = r"(?i)[-_ ]?(?:of|[dtpem]p)[-_ ]?$"

_KEYS = ("step", "global_step", "iteration")
CAPTURE = "capture/1"
"""What files say of themselves under `gradclip` if their own step goes before that in their name."""


class StepName(NamedTuple):
    """The step that a name holds; `epoch` only beside a step that another word names."""

    step: int | None = None
    epoch: int | None = None


def step_named(name: str) -> int | None:
    """Return the training step of a name that consists of nothing else; None for other names.

    >>> step_named("step100"), step_named("global_step_7"), step_named("lstm_step1")
    (100, 7, None)
    """
    found = re.fullmatch(_WHOLE, name) if name[-1:].isdecimal() else None
    return int(found[1]) if found else None


@lru_cache(_MOST_NAMES)
def step_in(name: str) -> StepName:
    """Return the step in a name: the last one, where words for steps go before batches, and batches before epochs.

    >>> step_in("step_00042.npz"), step_in("epoch=1-batch=0"), step_in("epoch_3.h5"), step_in("micro_batch_3")
    (StepName(step=42, epoch=None), StepName(step=0, epoch=1), StepName(step=3, epoch=None), StepName(step=None, epoch=None))
    """
    step = batch = epoch = None
    for found in _WORDS.finditer(name):
        if found["updates"]:  # as fairseq writes it, behind the epoch
            step, epoch = int(found["updates"]), int(found["first"])
            continue
        number = _with_unit(found) if found["unit"] else int(found["number"])
        if found["step"]:
            step = number
        elif found["batch"]:
            batch = number
        else:
            epoch = number
    named = batch if step is None else step
    return StepName(epoch) if named is None else StepName(named, epoch)


def _with_unit(found: re.Match[str]) -> int:
    """Return a number of thousands or millions, such as `1.5k`."""
    return round(float(found["number"] + (found["decimals"] or "")) * (1000 if found["unit"] in "kK" else 1_000_000))


def step_of(path: str) -> int | None:
    """Return the training step in a file's name, or else in its folder's name; None if there is none.

    >>> step_of("run/step_00042.npz"), step_of("global_step7/rank0.safetensors"), step_of("grads.npz")
    (42, 7, None)
    """
    return step_and_epoch(path).step


def step_and_epoch(path: str) -> StepName:
    """Return the step in a file's name, or else in its folder's; the epoch is in the same name, or in that of the folder above.

    A folder of a rank or of another part is passed over.

    >>> step_and_epoch("epoch=1-batch=0.npz"), step_and_epoch("epoch_2/step_5/g.npz"), step_and_epoch("epoch_7.npz")
    (StepName(step=0, epoch=1), StepName(step=5, epoch=2), StepName(step=7, epoch=None))
    """
    # Much faster than os.path.split, for there may be many paths.
    folder, _, name = without_query(path).rpartition(os.sep)
    found, epoch = step_in(name), _epoch_of_folder(folder)
    if found.step is None:
        return _step_of_folder(folder)
    return found if epoch is None or found.epoch is not None else found._replace(epoch=epoch)


@lru_cache(_MOST_FOLDERS)
def _step_of_folder(folder: str) -> StepName:
    above, inner = _folders(folder)
    found = step_in(inner)
    if found.step is None or found.epoch is not None:
        return found
    return found._replace(epoch=_epoch_in(os.path.basename(above)))


@lru_cache(_MOST_FOLDERS)
def _epoch_of_folder(folder: str) -> int | None:
    return _epoch_in(_folders(folder)[1])


def _folders(folder: str) -> tuple[str, str]:
    """Split the path of a folder at its name, or at that of the next folder above that is called after no part."""
    above, inner = os.path.split(folder.rstrip(os.sep))
    while is_part(inner):
        above, inner = os.path.split(above)
    return above, inner


def _epoch_in(name: str) -> int | None:
    found = re.search(_EPOCH, name)
    return int(found[1]) if found else None


def step_in_metadata(metadata: Mapping[str, str]) -> int | None:
    """Return the step that a file says of itself.

    >>> step_in_metadata({"format": "pt", "global_step": "300"})
    300
    """
    texts = (metadata.get(key, "") for key in _KEYS)
    return next((int(text) for text in texts if text.isdecimal() and len(text) <= _LONGEST), None)


def is_part(name: str) -> bool:
    """Whether a folder is called after a rank, or another part of a dump.

    >>> is_part("rank_0"), is_part("mp_rank_00_001"), is_part("tp0_pp1"), is_part("step_0"), is_part("ranks")
    (True, True, True, False, False)
    """
    return name[-1:].isdecimal() and re.fullmatch(_PART, name) is not None


def steps_by_pattern(names: Sequence[str]) -> list[int | None]:
    """Return the one number in which names differ, which are the same but for it; None for all if there is no such number.

    Names without a number have none, and count for nothing.

    >>> steps_by_pattern(["g-0000100.npz", "g-0000200.npz", "g.npz"]), steps_by_pattern(["a1_b1", "a2_b2"])
    ([100, 200, None], [None, None])
    """
    split = list(map(apart, names))
    column = _column([parts for parts in split if len(parts) > 1])
    if column is None:
        return [None] * len(names)
    return [int(parts[column]) if len(parts) > 1 else None for parts in split]


def _column(names: Sequence[list[str]]) -> int | None:
    """Return the place of the one number in which names differ; None if they differ in more, or in a number that is no step."""
    places = varying(names)
    if len(places) != 1 or max(len(parts[places[0]]) for parts in names) > _LONGEST:
        return None
    (place,) = places
    before, after = "0".join(names[0][:place:2]), names[0][place + 1]
    return None if re.search(_NO_STEP, before) or re.fullmatch(_OF, after) else place
