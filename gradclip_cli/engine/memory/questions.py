"""Say what was asked of which files, and in which state these were: the same question in the same state has one answer."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from gradclip_cli.engine.executors.canary import identity
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.norms import BLOCK, SumKinds
from gradclip_cli.storage.location_names import real
from gradclip_cli.storage.results import Key, digest_of
from gradclip_cli.storage.stamps import Stamp, stamp_of

FIGURES = 1
"""Raised where any figure, or what is kept of it, may change within a version of gradclip."""


class Question(NamedTuple):
    """The place of an answer, which says what is asked of which files, the state of these files, and their stamps."""

    key: Key
    stamps: tuple[Stamp, ...]

    @property
    def may_be_kept(self) -> bool:
        """Whether the files are so old that any later change will show."""
        return all(stamp.is_old for stamp in self.stamps)


def about_all(questions: Sequence[Question], *more: object) -> Question:
    """Return a further question about all files of some questions."""
    place = digest_of(*(one.key.place for one in questions), _as_bytes(repr(more)))
    state = digest_of(*(one.key.state for one in questions))
    return Question(Key(place, state), tuple(stamp for one in questions for stamp in one.stamps))


class Asking:
    """What one call asks of all of its dumps, and `beside` their figures; `look` tells the stamp of a file."""

    def __init__(
        self,
        selection: Selection,
        sums: SumKinds,
        beside: object = None,
        look: Callable[[str], Stamp | None] = stamp_of,
    ) -> None:
        # How tensors are grouped, and what counts how often, is settled after the dumps were measured.
        asked = replace(selection, naming=Naming(), replicated=(), tied="twice", steps=None)
        types = tuple(kind for kind in (*sums, 2.0) if isinstance(kind, float))
        self._asked = repr((FIGURES, BLOCK, identity(types), asked, sums, beside))
        self._folders: dict[str, str] = {}
        self._look = look

    def question(self, source: DumpSource) -> Question | None:
        """Return the question of a dump; None if its files have no state that can be relied on."""
        layout = f"{type(source.layout).__qualname__} {vars(source.layout)}"
        names = [self._real(path) for path in source.files]
        stamps = []
        for path in source.files:
            if (stamp := self._look(path)) is None:
                return None
            stamps.append(stamp)
        what = "\0".join([self._asked, layout, repr(source.step), repr(source.name), *names])
        state = repr([stamp.state for stamp in stamps])
        return Question(Key(digest_of(_as_bytes(what)), digest_of(_as_bytes(state))), tuple(stamps))

    def _real(self, path: str) -> str:
        """Return the name of a file that does not depend on how its folder was given."""
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = real(folder or os.curdir)
        return os.path.join(self._folders[folder], name)


def _as_bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
