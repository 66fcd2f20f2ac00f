"""Tell kinds of files apart by their names: gradients beside weights and optimizer state, and copies of files."""

import os
import re
from collections.abc import Sequence

from gradclip_cli.inputs.choices import Choices
from gradclip_cli.notes import Note
from gradclip_cli.text import shortlist

# Patterns that few names need are compiled on their first use.
_GRADIENT = r"(?<![a-z])(?:grads?|gradients?)(?![a-z])"
_COPY = r"(?is)(?P<original>.+?)(?: \(\d+\)|[-_. ]+copy(?: \d+)?)"
_DIGITS = re.compile(r"\d+")


def is_gradient(path: str) -> bool:
    """Whether a file is called after gradients.

    >>> is_gradient("checkpoint-5/gradients.safetensors"), is_gradient("step_1_grad.npz"), is_gradient("upgrade.npz")
    (True, True, False)
    """
    if "grad" not in path.lower():
        return False
    return re.search(_GRADIENT, os.path.basename(path).lower()) is not None


def kind_of(path: str) -> str:
    """Return what is common to the names of all files of one kind: the name with each number replaced.

    >>> kind_of("run/step_10_model.npz"), kind_of("checkpoint-5/model-00001-of-00002.safetensors")
    ('step_0_model.npz', 'model-0-of-0.safetensors')
    """
    stem, suffix = os.path.splitext(os.path.basename(path))
    return _DIGITS.sub("0", stem) + suffix.lower()


def gradients_of(paths: Sequence[str], folder: str, choices: Choices) -> tuple[list[str], list[Note]]:
    """Return the files that are called after gradients, with a note on the others.

    Return all of them if none is called so, or all are, or if the user has chosen.
    """
    taken = [path for path in paths if is_gradient(path)]
    if choices.files or choices.everything or len(taken) in (0, len(paths)):
        return list(paths), []
    return taken, [others_left(folder, taken[0], [path for path in paths if not is_gradient(path)])]


def others_left(folder: str, taken: str, left: Sequence[str]) -> Note:
    """Note the files of a folder that are left out, since another is called after gradients."""
    names = shortlist([os.path.basename(path) for path in left], 4)
    what = f"{os.path.basename(taken)} is taken, since it is called after gradients; left out: {names}"
    return Note("other-kinds", f"{folder}: {what}; --files PATTERN chooses otherwise", len(left))


def copies_in(paths: Sequence[str]) -> dict[str, str]:
    """Return the files whose names say that they are copies of others among the paths, each with its original.

    >>> copies_in(["a/step_2.npz", "a/step_2 (1).npz", "a/step_3.copy.npz"])
    {'a/step_2 (1).npz': 'a/step_2.npz'}
    """
    known, found = set(paths), {}
    for path in paths:
        if ")" not in path and "copy" not in path.lower():
            continue
        stem, suffix = os.path.splitext(path)
        match = re.fullmatch(_COPY, stem) if stem[-1:] == ")" or "copy" in stem.lower() else None
        if match is not None and match["original"] + suffix in known:
            found[path] = match["original"] + suffix
    return found
