"""Numbers as one types them: not all that Python takes for a number is one to a person."""

import math
import re

_REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
_NAMED = ("inf", "infinity", "nan")


def real(text: str) -> float | None:
    """Return the float64 that a text stands for; None where it is no number, or too large for one.

    >>> real("1e-3"), real("-inf"), real("1_0"), real("1e400")
    (0.001, -inf, None, None)
    """
    text = text.strip()
    if text.lower().lstrip("+-") in _NAMED and not text.startswith(("++", "--", "+-", "-+")):
        return float(text)
    value = float(text) if _REAL.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def whole(text: str) -> int | None:
    """Return the whole number that a text stands for; None where it is none.

    >>> whole("12"), whole("1_2"), whole("1.0")
    (12, None, None)
    """
    text = text.strip()
    return int(text) if _WHOLE.fullmatch(text) else None
