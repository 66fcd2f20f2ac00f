"""JSON objects read so that no two parsers can differ on what they say."""

import json
from typing import Any, NoReturn


def parse(data: bytes, twice: bool = False) -> dict[str, Any]:
    """Parse UTF-8 that holds one object; raise ValueError or RecursionError where it is anything else.

    Names that stand `twice`, constants such as NaN, and -0, which is a fraction to some, are refused. Not to look for the
    names takes two thirds of the time.
    """
    if not data.startswith(b"{"):
        raise ValueError("it does not begin with a brace")
    found: dict[str, Any] = json.loads(
        data.decode("utf-8"),
        object_pairs_hook=None if twice else _no_duplicates,
        parse_constant=_no_constants,
        parse_int=_plain if b"-0" in data else None,  # only where it matters, since it takes longer
    )
    return found


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice in it")
    return table


def _no_constants(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _plain(text: str) -> int:
    if text == "-0":
        raise ValueError("-0 is not a whole number")
    return int(text)
