"""Keep what was measured in one file of results, many at a time, and read it from there."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gradclip_cli.engine.memory.packed_dumps import packed_dumps, unpacked_dumps
from gradclip_cli.engine.memory.packed_tensors import packed_tensors, unpacked_tensors
from gradclip_cli.engine.memory.packing import UNREADABLE, first_of, unpacked
from gradclip_cli.engine.memory.questions import Question
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.storage.results import Key, Result, ResultsOfProcess, digest_of
from gradclip_cli.storage.results_file import ResultsFile
from gradclip_cli.tensors import TensorSpec

Found = TypeVar("Found")

_BATCH, _BATCH_BYTES = 256, 8 << 20
"""The most results that wait to be put, and the most bytes of them."""


class Kept:
    """The results in a file; those that are new wait for others, or for the end.

    Results of files that were changed a moment ago last no longer than the process: another change might not show.
    """

    def __init__(self, file: ResultsFile | ResultsOfProcess) -> None:
        self.file = file
        self._waiting: list[Result] = []
        self._headers: dict[bytes, bytes] = {}  # that wait, too
        self._nbytes = 0
        self._packed: tuple[Sequence[TensorSpec], bytes] | None = None  # the tensors of the last dump, and their name
        self._tensors: dict[bytes, Sequence[TensorSpec]] = {}

    def close(self) -> None:
        """Put what waits, and close the file."""
        self._flush()
        self.file.close()

    def sizes(self, questions: Sequence[Question]) -> dict[Key, int]:
        """Return the bytes of the answers that there are to some questions."""
        return self.file.sizes([one.key for one in questions])

    def answers(self, questions: Sequence[Question]) -> dict[Key, Result]:
        """Return the answers that there are to some questions."""
        return self.file.get([one.key for one in questions])

    def dumps(
        self,
        source: DumpSource,
        question: Question,
        found: Result,
        run: Run,
        take: Callable[[DumpSource, bytes], bool] | None = None,
    ) -> list[MeasuredDump] | None:
        """Return the dumps of a source as an answer has them; None if it is not as it must be.

        `take` takes what was kept beside them, and says whether that answers what is asked now.
        """
        fingerprints = [stamp.fingerprint for stamp in question.stamps]
        try:
            tensors, (body, beside) = self._tensors_of(found.header), first_of(found.body)
            dumps = unpacked_dumps(body, tensors, source, fingerprints, run) if tensors is not None else None
            return dumps if dumps is None or take is None or take(source, beside) else None
        except UNREADABLE:
            return None

    def keep(self, question: Question, dumps: Sequence[MeasuredDump], beside: bytes = b"") -> None:
        """Keep the dumps of a source, and bytes beside them."""
        if (body := packed_dumps(dumps)) is None:
            return
        tensors = dumps[0].tensors
        if self._packed is None or self._packed[0] is not tensors:
            header = packed_tensors(tensors)
            self._packed = tensors, digest_of(header)
            self._headers[self._packed[1]] = header
        self.put(question, self._packed[1], body + beside)

    def made(self, question: Question, make: Callable[[Any], Found]) -> Found | None:
        """Return what `make` makes of the answer to a question that is not about all of a dump; None if there is none."""
        found = self.answers([question]).get(question.key)
        if found is None:
            return None
        try:
            return make(unpacked(found.body)[0])
        except UNREADABLE:
            return None

    def put(self, question: Question, header: bytes, body: bytes) -> None:
        """Keep an answer."""
        if not self.takes(question):
            return
        self._waiting.append(Result(*question.key, header, body))
        self._nbytes += len(body)
        if len(self._waiting) == _BATCH or self._nbytes >= _BATCH_BYTES:
            self._flush()

    def takes(self, question: Question) -> bool:
        """Whether an answer to a question would be kept."""
        return question.may_be_kept or not self.file.lasts

    def _flush(self) -> None:
        if self._waiting:
            self.file.put(self._waiting, self._headers.values())
        self._waiting, self._headers, self._nbytes = [], {}, 0

    def _tensors_of(self, header: bytes) -> Sequence[TensorSpec] | None:
        """Return the tensors of a header, the same list each time: much is found once for all dumps that share it."""
        if header not in self._tensors:
            body = self.file.header(header)
            if body is None:
                return None
            self._tensors = {header: unpacked_tensors(body)}  # one, since dumps in a row mostly have the same
        return self._tensors[header]
