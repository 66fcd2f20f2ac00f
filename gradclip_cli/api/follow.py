"""Follow a run that goes on: find its dumps again and again, and read those that are new."""

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Path, Paths, paths_of
from gradclip_cli.api.stats_plan import stats_plan
from gradclip_cli.api.stores import StoreKeywords
from gradclip_cli.commands.stats.following import Followed, Told
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.engine.memory.memory import Memory
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.norm_logs.finding import find_logs, refuse_column, refuse_options
from gradclip_cli.inputs.norm_logs.reading import files_of
from gradclip_cli.storage import locations
from gradclip_cli.storage.remote.settings import current, using
from gradclip_cli.storage.settling import Settling
from gradclip_cli.storage.stamps import stamp_of
from gradclip_cli.storage.stdio import sleep
from gradclip_cli.storage.streams import STANDARD, stream_name


def follow(
    inputs: Paths,
    asked: Mapping[str, Any],
    interval: float,
    until_step: int | None = None,
    *,
    chosen: bool = False,
) -> Iterator[Followed]:
    """Yield what is new of a run, looking every `interval` seconds, until a step is there; `asked` holds the keywords of `stats`.

    Dumps that are still being written to are left for later, and those that cannot be read are left out with a warning. `chosen`
    says that the user chose the rule. Raises `GradclipError`, but where a folder holds nothing yet.
    """
    if not interval > 0:
        raise UsageError(f"--interval must be above 0, not {interval:g}")
    stores = {name: asked[name] for name in StoreKeywords.__annotations__ if name in asked}
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    run = _Run(asked, chosen=chosen)
    while True:
        with using(current()._replace(**stores)):
            found = run.look(given)
        if found is not None:
            yield found
        if until_step is not None and run.last_step is not None and run.last_step >= until_step:
            return
        sleep(interval)


class _Run:
    """A run that goes on; `last_step` is the highest step that was read."""

    def __init__(self, asked: Mapping[str, Any], *, chosen: bool) -> None:
        self.last_step: int | None = None
        self._paths, self._asked = list[str](), asked
        self._told, self._settling = Told(chosen=chosen), Settling()
        self._memory = Memory.of_process(cache=asked["cache"])
        self._read: Hashable = None  # what was read last, and in which state

    def look(self, given: Sequence[Path]) -> Followed | None:
        """Read what is new of what the inputs stand for by now; return None if there is nothing to say."""
        try:
            self._paths = paths_of(given)
            if STANDARD in (stream_name(path, 0) for path in self._paths):
                raise UsageError("--follow looks at files again and again, and standard input can be read only once")
            plan, state = self._settled(self._plan())
            if state is None or state == self._read:
                return None
            self._read = state
            report = pipeline.stats(plan, scheduler=self._asked["scheduler"], memory=self._memory)
        except InputError as error:
            if not self._is_there():
                raise
            return self._waiting(error)
        self._reached(dump.step for dump in report.dumps)
        return self._told.new(report)

    def _is_there(self) -> bool:
        """Whether there is something to wait for; a store that does not answer for a while, once it has, is asked again.

        A folder of a store cannot be made before something is in it: one that is called so is waited for.
        """
        try:
            return bool(self._paths) and all(
                locations.exists(path) or (locations.is_remote(path) and path.endswith("/")) for path in self._paths
            )
        except InputError:
            return self._read is not None

    def _plan(self) -> StatsPlan:
        """Find what there is by now."""
        logs = find_logs(self._paths, self._asked["input_format"], self._asked["column"])
        if logs:
            refuse_options(logs[0], self._asked)
        else:
            refuse_column(self._asked["column"])
        plan = stats_plan(self._paths, logs, self._asked)
        return replace(plan, keep_going=True)

    def _settled(self, plan: StatsPlan) -> tuple[StatsPlan, Hashable]:
        """Return the plan of what is settled, and the state that this is in; nothing if it is too little to begin."""
        if plan.logs is not None:
            stamps = [stamp_of(file) for path in plan.logs.paths for file in files_of(path)]
            options = plan.logs.options._replace(growing=True)
            state = tuple(stamp.state if stamp is not None else None for stamp in stamps)
            return replace(plan, logs=plan.logs._replace(options=options)), state
        looked = [(source, self._settling.state(source.files)) for source in plan.inputs]
        settled = [(source, state) for source, state in looked if state is not None]
        found = replace(plan, inputs=tuple(source for source, _ in settled))
        too_few = len(settled) <= plan.skip_steps
        if too_few:  # none of them is read, but they are there
            self._reached(source.step for source, _ in settled)
        return found, None if too_few else tuple((source.location, source.step, state) for source, state in settled)

    def _reached(self, steps: Iterable[int | None]) -> None:
        known = [step for step in (self.last_step, *steps) if step is not None]
        self.last_step = max(known, default=None)

    def _waiting(self, error: InputError) -> Followed | None:
        """Return a warning that nothing can be read yet, if that is new."""
        warnings = self._told.warned([str(error)])
        return Followed(None, [], [], warnings) if warnings else None
