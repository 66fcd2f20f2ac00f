"""What was perhaps meant by a word that is not known."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Name the known word that is nearest, or else say what to do otherwise.

    >>> did_you_mean("treshold", ["strategy", "threshold"])
    'did you mean threshold?'
    """
    from difflib import get_close_matches

    spelled = {plain(name): name for name in known}
    near = get_close_matches(plain(word[:100]), spelled, 1, 0.5)
    return f"did you mean {spelled[near[0]]}?" if near else otherwise


def with_all(word: str, known: Iterable[str], all_of_them: str) -> str:
    """Name the known word that is nearest, if any is near, and then all of them."""
    return f"{did_you_mean(word, known)} {all_of_them}".lstrip()


def plain(word: str) -> str:
    """Drop what spellings of a name differ in: case, `-` and `_`."""
    return word.lower().replace("-", "").replace("_", "")
