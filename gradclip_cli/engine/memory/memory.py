"""Take the measured dumps of a series from results of earlier calls, and keep those that were read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from gradclip_cli.engine.memory.chosen import chosen, whole
from gradclip_cli.engine.memory.kept import Kept
from gradclip_cli.engine.memory.packing import packed
from gradclip_cli.engine.memory.questions import Asking, Question, about_all
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import Measure, settled_each, wanted
from gradclip_cli.engine.small_dumps import survey_each
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.storage.results import Key, Result, ResultsOfProcess
from gradclip_cli.storage.results_file import ResultsFile, default_path
from gradclip_cli.storage.stamps import stamp_of

Found = TypeVar("Found")

Fresh = Callable[[Sequence[DumpSource]], Iterator[Measure]]
"""Yields what measures each of some sources that are not known, as `small_dumps.survey_each` does."""

_FETCHED, _FETCHED_BYTES = 64, 4 << 20
"""The most results that are fetched at once, and the bytes that are enough."""


class Beside(Protocol):
    """What a command gathers of a source while that is measured, and has kept beside its dumps."""

    @property
    def asked(self) -> object:
        """What it depends on beside the files and the selection."""

    def packed(self, source: DumpSource) -> bytes:
        """Return the bytes of what was gathered of a source that was measured now."""

    def recall(self, source: DumpSource, data: bytes) -> bool:
        """Take what was gathered of a source before; return False if other things would be gathered of it now."""


class _Asked(NamedTuple):
    """A source, and what is asked of it, None if nothing can be kept of it; and the question that may be answered in its place.

    That one is about all tensors, where some are selected.
    """

    source: DumpSource
    question: Question | None
    whole: Question | None = None

    def known(self, sizes: Mapping[Key, int]) -> Question | None:
        """Return the question that is answered, given the sizes of answers."""
        return next((one for one in (self.question, self.whole) if one is not None and one.key in sizes), None)


class _Answer(NamedTuple):
    """What was kept of a source, and where."""

    store: Kept
    result: Result


class Memory:
    """What earlier calls have measured, in a file or in this process; `cached` counts the dumps of a call that are from there.

    Only dumps whose figures are complete are kept: not those of a file of which only some steps are wanted.
    """

    def __init__(self, files: Sequence[ResultsFile | ResultsOfProcess]) -> None:
        self.cached = 0
        self._stores = [Kept(file) for file in files]

    @classmethod
    def of_user(cls) -> "Memory":
        """Return the memory of the user that runs this."""
        return cls([ResultsFile(default_path())])

    @classmethod
    def of_process(cls, *, cache: bool) -> "Memory":
        """Return a memory that ends with the process; with `cache`, it begins with that of the user, and adds to it."""
        return cls([ResultsOfProcess(), *([ResultsFile(default_path())] if cache else ())])

    @property
    def notes(self) -> list[Note]:
        """Notes on what is wrong with the files."""
        found = [one.file for one in self._stores if one.file.trouble]
        what = "so dumps are read without the cache"
        return [Note("cache", f"{one.path}: {one.trouble}, {what}; {one.remedy}") for one in found]

    def __enter__(self) -> Self:
        self.cached = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for store in self._stores:
            store.close()

    def measure_each(self, sources: Sequence[DumpSource], sums: SumKinds, run: Run) -> Iterator[Measure]:
        """Yield for each source what hands out its dumps, in order, as `small_dumps.measure_each` does."""
        return settled_each(sources, self.surveys(sources, sums, run, lambda some: survey_each(some, sums, run)), run)

    def surveys(
        self, sources: Sequence[DumpSource], sums: SumKinds, run: Run, fresh: Fresh, beside: Beside | None = None
    ) -> Iterator[Measure]:
        """Yield for each source what hands out its dumps, in order, before anything follows from the dumps before.

        Those that are not known are measured with these sums by what `fresh` yields.
        """
        asked = _asked(sources, sums, run, beside)
        sizes = self._sizes([one for each in asked for one in (each.question, each.whole) if one is not None])
        known = [one.known(sizes) for one in asked]
        measure = fresh([one.source for one, held in zip(asked, known, strict=True) if held is None])
        answers = self._answers([one for one in known if one is not None], sizes)
        for one, held in zip(asked, known, strict=True):
            if held is not None:
                yield partial(self._recalled, one, held, next(answers), run, fresh, beside)
            else:
                yield partial(self._kept, next(measure), one, run, beside)
        next(measure, None)  # so that it ends: a cluster takes what is not asked to its end for given up

    def _sizes(self, questions: Sequence[Question]) -> dict[Key, int]:
        found: dict[Key, int] = {}
        for store in self._stores:
            found |= store.sizes([one for one in questions if one.key not in found])
        return found

    def _answers(self, questions: Sequence[Question], sizes: Mapping[Key, int]) -> "Iterator[_Answer | None]":
        """Yield the answers to questions, in order; a few are fetched at once, as they are needed."""
        some, nbytes = list[Question](), 0
        for one in questions:
            some.append(one)
            nbytes += sizes[one.key]
            if len(some) == _FETCHED or nbytes >= _FETCHED_BYTES:
                yield from self._fetched(some)
                some, nbytes = [], 0
        yield from self._fetched(some)

    def _fetched(self, questions: Sequence[Question]) -> "list[_Answer | None]":
        found: dict[Key, _Answer] = {}
        for store in self._stores:
            rest = [one for one in questions if one.key not in found]
            found |= {key: _Answer(store, result) for key, result in store.answers(rest).items()}
        return [found.get(one.key) for one in questions]

    def answer(
        self,
        sources: Sequence[DumpSource],
        selection: Selection,
        about: object,
        find: Callable[[], Found],
        make: Callable[[Any], Found],
    ) -> Found:
        """Return what `find` finds in some dumps, made by `make` where that is known; `about` says what it depends on.

        Raises InputError as `find` does.
        """
        asking = Asking(whole(selection) or selection, ())  # whatever is selected, `about` says which tensors are read
        questions = [asking.question(one) for one in sources]
        known = [one for one in questions if one is not None]
        if len(known) < len(questions):
            return find()
        question = about_all(known, about)
        for store in self._stores:
            if (made := store.made(question, make)) is not None:
                return made
        found = find()
        for store in self._stores:
            store.put(question, b"", packed(found))
        return found

    def _recalled(
        self,
        asked: _Asked,
        held: Question,
        answer: "_Answer | None",
        run: Run,
        fresh: Fresh,
        beside: Beside | None,
    ) -> list[MeasuredDump]:
        """Return the dumps of a source that was measured before; measure it now if they cannot be made of the answer."""
        source, take = asked.source, beside.recall if beside is not None else None
        found = answer.store.dumps(source, held, answer.result, run, take) if answer is not None else None
        if found is not None and held is asked.whole:
            some = chosen(found[0], run)
            found = None if some is None else [some]
        if found is None:
            (survey,) = fresh([source])
            return self._kept(survey, asked, run, beside)
        self.cached += len(found)
        for path, stamp in zip(source.files, held.stamps, strict=True):
            run.progress(stamp.fingerprint.size, path)
        return wanted(found, run) if run.selection.along is None else found

    def _kept(self, survey: Measure, asked: _Asked, run: Run, beside: Beside | None) -> list[MeasuredDump]:
        """Measure a source, and keep what was found."""
        found, question = survey(), asked.question
        only_some = run.selection.steps is not None and bool(found[0].prefix)
        if question is None or only_some:
            return found
        read = [one.fingerprint for file in found[0].files for one in (file, *file.others)]
        if read == [stamp.fingerprint for stamp in question.stamps]:  # no file has changed in between
            stores = [store for store in self._stores if store.takes(question)]
            more = beside.packed(asked.source) if stores and beside is not None else b""
            for store in stores:
                store.keep(question, found, more)
        return found


def _asked(sources: Sequence[DumpSource], sums: SumKinds, run: Run, beside: Beside | None) -> list[_Asked]:
    """Return what is asked of each source; of the norms of units nothing is kept: there may be as many as elements."""
    if run.unit_axis is not None:
        return [_Asked(one, None) for one in sources]
    look = cache(stamp_of)
    asking = Asking(run.selection, sums, beside and beside.asked, look)
    selection = whole(run.selection) if beside is None else None
    if selection is None:
        return [_Asked(one, asking.question(one)) for one in sources]
    of_all = Asking(selection, sums, None, look)
    return [_Asked(one, asking.question(one), of_all.question(one)) for one in sources]
