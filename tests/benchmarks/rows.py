"""What is measured: commands that do some work, and what they are compared to, with the most that they may take.

A command names its program, the dumps of `SUFFIXES` in braces, `{out}` for what it writes, and `{processors}`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.dumps import SUFFIXES

SCALED = "-s clip-by-global-norm -t 0.1"
UNTOUCHED = "-s clip-by-global-norm -t 1e9"

FEW_MIB, MANY_MIB = 100, 400
"""Memory over all processes: of up to four, and of more."""


class Distance(NamedTuple):
    """How far away a server is: seconds that pass before each answer, and bytes a second of each connection, 0 for no limit."""

    latency: float
    rate: float


class Work(NamedTuple):
    """What gradclip does, and the most that it may take: times as long as what it is compared to and `more` seconds, and MiB.

    Of a server, it may make so many requests, and may fetch each byte of a dump only once. `most_processors` limits the ratio
    of the seconds of processors.
    """

    name: str
    command: str
    most: float | None = None
    most_mib: float | None = None
    more: float = 0.0
    most_requests: int | None = None
    fetches_once: bool = False
    most_processors: float | None = None


class Comparison(NamedTuple):
    """Works that are run in turn with one command that they are compared to; by so many jobs where that matters.

    They are compared to `times` what that takes, and `seconds` more.
    With a distance, a server that is so far away has the dumps.
    """

    to: str
    command: str
    works: tuple[Work, ...]
    jobs: int | None = None
    times: float = 1
    seconds: float = 0
    distance: Distance | None = None

    def allowed(self, seconds: float) -> float:
        """Return what works are compared to where the command takes so many seconds."""
        return self.times * seconds + self.seconds


def rows(processors: int, torch: list[str]) -> list[Comparison]:
    """Return the table, what takes longest at its end; the comparison with PyTorch on the devices that it has."""
    mib = FEW_MIB if processors <= 4 else MANY_MIB
    return [
        *starting(),
        *measuring(1.15 if processors < 16 else 1.5, mib),
        *more_jobs(processors),
        *writing(mib),
        *packed(mib),
        *(beside_torch(device, mib) for device in torch),
        *many_dumps(mib),
        *many_tensors(),
        *pages(),
    ]


def starting() -> Iterator[Comparison]:
    """What only starts."""
    yield Comparison("import click", "python -c 'import click'", (Work("--help", "gradclip --help", 1.5, FEW_MIB),))
    tiny = Work("stats, a tiny dump", "gradclip stats -f json {tiny}", 1.35, FEW_MIB)
    yield Comparison("import numpy, click", "python -c 'import numpy, click'", (tiny,))


def measuring(most: float, mib: float) -> Iterator[Comparison]:
    """What reads every element once."""
    for name, dtype in (("f32", "float32"), ("bf16", "bfloat16"), ("f16", "float16")):
        work = Work(f"stats, {dtype}", f"gradclip stats -f json {{{name}}}", most, mib)
        yield Comparison("reference", reference(name), (work,))


def more_jobs(processors: int) -> Iterator[Comparison]:
    """More jobs than processors cost nothing."""
    jobs = 8 * processors
    for name, command in (("stats", "gradclip stats -f json {f32}"), ("apply", apply("f32", SCALED))):
        work = Work(f"{name}, float32, -j {jobs}", f"{command} -j {jobs}", 1.1, MANY_MIB)
        yield Comparison(f"the same, -j {processors}", f"{command} -j {processors}", (work,))


def writing(mib: float) -> Iterator[Comparison]:
    """What reads and writes files whose elements lie as they are, beside reading them once and copying them."""
    f32 = (
        Work("apply, float32, everything scaled", apply("f32", SCALED), 1.25, mib),
        Work("apply, float32, nothing to clip", apply("f32", UNTOUCHED), 0.95, mib),
        Work("apply, contiguous HDF5", apply("h5", SCALED), 1.45, mib),
        Work("apply, stored npz", apply("npz", SCALED), 1.6, mib),
    )
    yield then_copied("f32", *f32)
    yield then_copied("bf16", Work("apply, bfloat16, everything scaled", apply("bf16", SCALED), 1.35, mib))
    yield then_copied("f16", Work("apply, float16, a third subnormal", apply("f16", SCALED), 1.35, mib))
    yield then_copied("large", Work("apply, float32, twice as large", apply("large", SCALED), 1.25, mib))


def packed(mib: float) -> Iterator[Comparison]:
    """Packed files, beside the shortest scripts that do the same."""
    for library, name, what in (("h5py", "gzip", "gzip HDF5"), ("numpy", "deflated", "deflated npz")):
        theirs = f"script {library}_clip {{{name}}} {{out}}"
        yield Comparison(f"{library} script", theirs, (Work(f"apply, {what}", apply(name, SCALED), 1, mib),))


def beside_torch(device: str, mib: float) -> Comparison:
    """What people run today: load, `clip_grad_norm_`, save."""
    name = "PyTorch script" if device == "cpu" else f"PyTorch script, {device.upper()}, transfers included"
    work = Work("apply, float32", apply("f32", SCALED), 0.35, mib)
    return Comparison(name, f"script torch_clip {{f32}} {{out}} {device}", (work,))


def many_dumps(mib: float) -> Iterator[Comparison]:
    """Many small dumps."""
    work = Work("stats, 1,000 dumps", "gradclip stats -f json {series}", 2, mib)
    yield Comparison("load_file over all", "script load_files {series}", (work,))


def many_tensors() -> Iterator[Comparison]:
    """Many small tensors in one file."""
    work = Work("stats, 100,000 tensors", "gradclip stats -f json {many}", 3)
    yield Comparison("load_file", "script load_files {many}", (work,))
    gzipped = (
        Work("stats, 20,000 gzipped datasets", "gradclip stats -f json {gzips}", 0.5, 400),
        Work("apply, 20,000 gzipped datasets", apply("gzips", SCALED), 1.2, 400),
    )
    yield Comparison("h5py loop", "script h5py_scale {gzips} {out}", gzipped)
    million = (
        Work("stats, a million tensors", "gradclip stats -f json {million}", 2, 700),
        Work("apply, a million tensors", apply("million", SCALED), 2.5, 700),
        Work("check, a million tensors", "gradclip check -f json {million}", None, 700),
        Work("ls, a million tensors", "gradclip ls -f json {million}", None, 700),
    )
    yield Comparison("load_file", "script load_files {million}", million)


def pages() -> Iterator[Comparison]:
    """Pages of runs, beside half as long again as `stats` takes, and three seconds."""
    for name, what in (("run", "300 steps of 150 tensors"), ("series", "1,000 dumps"), ("four", "four large dumps")):
        work = Work(f"report, {what}", f"gradclip report {{{name}}} -o {{out}}.html -q", 1)
        yield Comparison("1.5 × stats + 3 s", f"gradclip stats -f json {{{name}}}", (work,), times=1.5, seconds=3)


def by_cores(processors: int) -> list[Comparison]:
    """Return the table by jobs: powers of two up to the processors, and all of them."""
    powers = (1 << k for k in range(processors.bit_length()))
    counts = [*(count for count in powers if count < processors), processors]
    return [comparison for jobs in counts for comparison in with_jobs(jobs)]


def with_jobs(jobs: int) -> Iterator[Comparison]:
    """What so many jobs take, beside as many processes of the reference, and as many threads."""
    mib = FEW_MIB if jobs <= 4 else MANY_MIB
    for name, dtype in (("f32", "float32"), ("bf16", "bfloat16"), ("f16", "float16")):
        works = (
            Work(f"stats, {dtype}", f"gradclip stats -f json {{{name}}} -j {jobs}", None, mib),
            Work(f"reference by threads, {dtype}", f"reference {{{name}}} {jobs} threads"),
        )
        yield Comparison("reference by processes", f"reference {{{name}}} {jobs}", works, jobs)
    work = Work("apply, float32", f"{apply('f32', SCALED)} -j {jobs}", None, mib)
    yield Comparison("reference, then cp", f"reference {{f32}} {jobs} && cp {{f32}} {{out}}", (work,), jobs)


def then_copied(name: str, *works: Work) -> Comparison:
    """Compare works to the reference, and then `cp` of the same dump."""
    return Comparison("reference, then cp", f"{reference(name)} && cp {{{name}}} {{out}}", works)


def reference(name: str) -> str:
    """Return the command that measures a dump with plain numpy, one process for each processor."""
    return f"reference {{{name}}} {{processors}}"


def apply(name: str, options: str) -> str:
    """Return a command that transforms a dump quietly."""
    return f"gradclip apply {{{name}}} -o {{out}}{SUFFIXES[name]} -q {options}"
