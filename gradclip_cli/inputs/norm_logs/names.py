"""Tell by their names which columns of a log are norms of gradients, norms of tensors, steps, epochs and loss scales."""

import math
import re
from collections.abc import Iterable, Sequence

_PREFIX = r"(?:^|[/.]| - |^(?:train|training|global|total)[_ ])"
_NORM = re.compile(
    rf"(?i){_PREFIX}(?:gnorm|total_norm/grad|l2_norm/grad/global|(?:total[_ ])?grad_2\.0_norm_total|grad_l2_norm/step"
    r"|(?:(?:global|total)[ _])?(?:gradients?|grads?)(?:[ _-]?norm)(?:[_/](?:step|total|global))?)$"
)
_WEAK = re.compile(r"(?i)norm$")
_TENSOR = re.compile(
    rf"(?i){_PREFIX}(?:grad_2\.0_norm[/_](?!total$)|layer_grad_l2_norm/|l2_norm/grad/(?!global$)"
    r"|grad_norm/(?!(?:step|total|global)$))(?P<name>.+)$"
)
_OLMO = re.compile(r"(?i)(?:^|/)grad/(?P<name>.+)\.norm$")
_HIDDEN = ("__min", "__max", "_epoch")
"""What W&B writes beside a column, and Lightning for the mean of an epoch."""

_LONGEST = 1000

_THOUSANDS = re.compile(r"(?a)[-+]?\d{1,3}(?:(?:,\d{3})++|(?:'\d{3})++)(?:\.\d++)?+")
_NO_NUMBER = re.compile(r"[-+]?1\.#(?:q|s)?(?:nan|ind)\w*")
"""How C of Microsoft writes NaN."""

STEPS = (
    "step",
    "global_step",
    "train/global_step",
    "trainer/global_step",
    "training/global_step",
    "_step",
    "num_updates",
    "train/num_updates",
    "iteration",
    "iter",
    "current_steps",
    "batch",
)
"""The names of steps, in lower case; the first of them that a log has counts."""

EPOCHS = ("epoch", "train/epoch")
SCALES = ("loss_scale", "loss scale", "train/loss_scale", "grad_scale", "train_loss_scale")


def is_norm(name: str) -> bool:
    """Whether a column is called as the norm of all gradients is.

    >>> is_norm("run-a - train/grad_norm"), is_norm("Gradient_Norm"), is_norm("max_grad_norm"), is_norm("grad_norm__MIN")
    (True, True, False, False)
    """
    return "norm" in name.lower() and len(name) < _LONGEST and _NORM.search(name) is not None


def is_plain(name: str) -> bool:
    """Whether a column is called `norm`, which says little: it counts where a step stands beside it, and nothing else does.

    >>> is_plain("norm"), is_plain("grad_norm")
    (True, False)
    """
    return _WEAK.match(name) is not None


def tensor_in(name: str) -> str | None:
    """Return the name of the tensor or layer whose norm a column is; None if it is another column.

    >>> tensor_in("grad_2.0_norm/fc.weight"), tensor_in("grad/h.0.norm"), tensor_in("grad_2.0_norm_total")
    ('fc.weight', 'h.0', None)
    """
    if "norm" not in name.lower() or len(name) >= _LONGEST or name.lower().endswith(_HIDDEN):
        return None
    found = _TENSOR.search(name) or _OLMO.search(name)
    return None if found is None else found["name"]


def first_of(names: Iterable[str], wanted: Sequence[str]) -> str | None:
    """Return the column with the first of the wanted names, whatever its case and the run in front of it.

    >>> first_of(["Step", "run-a - _step"], STEPS), first_of(["loss"], STEPS)
    ('Step', None)
    """
    plain = dict[str, str]()
    for name in names:
        plain.setdefault(name.lower().rpartition(" - ")[2], name)
    return next((plain[name] for name in wanted if name in plain), None)


def matches(name: str, column: str) -> bool:
    """Whether a column is the one that the user names: by its whole name, or by what follows a prefix.

    >>> matches("run-a - train/grad_norm", "train/grad_norm"), matches("max_grad_norm", "grad_norm")
    (True, False)
    """
    name, column = name.lower(), column.lower()
    return name == column or name.endswith(("/" + column, " - " + column))


def number(value: object) -> float | None:
    """Return what a log says as a number: NaN for null and `nan`, None for what is no number at all.

    >>> number("20.751"), number(None), number("-Infinity"), number("fast"), number("")
    (20.751, nan, -inf, None, None)
    """
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return spelled(value)  # type: ignore[arg-type]


def spelled(text: str) -> float | None:
    """Return a number that is not written as programs write it; None where it is none, or may be one or another.

    >>> spelled("1,234.5"), spelled("1,234,567"), spelled("1'234.5"), spelled("1.#QNAN"), spelled("null")
    (1234.5, 1234567.0, 1234.5, nan, nan)
    >>> spelled("1,234"), spelled("1,5"), spelled("1.5k"), spelled("2 %")
    (None, None, None, None)
    """
    text = text.strip().lower()
    if text == "null" or _NO_NUMBER.fullmatch(text):
        return math.nan
    if _THOUSANDS.fullmatch(text) and ("." in text or text.count(",") != 1):
        return float(text.replace(",", "").replace("'", ""))
    return None


def whole(value: object) -> int:
    """Return a step, which may be written as `12`, `12.0` or text; -1 where it is none.

    >>> whole("12.0"), whole(7), whole(None), whole("1.5")
    (12, 7, -1, -1)
    """
    found = value if type(value) is int else number(value)
    if found is None or not 0 <= found < 1 << 62 or found != int(found):
        return -1
    return int(found)
