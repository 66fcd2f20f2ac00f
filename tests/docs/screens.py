"""Show every command on one screen at several widths: on a run with planted faults, and on the sample data."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from support import planted

from docs.places import DOCS, SAMPLES
from docs.session import ExampleError, in_process

WIDTHS = (60, 80, 120)

_RUN = """\
# Screens of a run

What each command shows of a run of a 24-layer transformer on terminals of 60, 80 and 120 columns: 60 steps of 291 tensors in
bfloat16, made with faults. Layers 0 and 1 vanish throughout, layer 17 rises at step 40, everything explodes at step 41, and at
step 52 one element is NaN. `good/` is such a run without faults.
This page is written by `make screens`; `tests/support/planted.py` makes the run.
"""

_SAMPLES = """\
# Screens of small dumps

What each command shows of `sample_data/` on terminals of 60, 80 and 120 columns: an LSTM on characters that explodes by itself.
This page is written by `make screens`.
"""

_STEP = "sample_data/char_lstm/step_0000{}.safetensors"

PAGES: Mapping[Path, tuple[str, tuple[str, ...]]] = {
    DOCS / "reference" / "screens-of-a-run.md": (
        _RUN,
        (
            "stats run/",
            "stats run/step_000041.safetensors",
            "apply run/ -o clipped/ -t 20 --nonfinite zero --dry-run",
            "apply run/step_000041.safetensors -o clipped.safetensors -t 20 --dry-run",
            "check run/",
            "check run/ --baseline good/",
            "diff good/ run/",
            "diff run/step_000040.safetensors run/step_000041.safetensors",
            "ls run/",
            "show run/step_000052.safetensors",
            "show run/step_000052.safetensors model.layers.9.mlp.down_proj.weight",
        ),
    ),
    DOCS / "reference" / "screens-of-small-dumps.md": (
        _SAMPLES,
        (
            "stats sample_data/char_lstm",
            f"stats {_STEP.format(9)}",
            "apply sample_data/char_lstm -o clipped/ -t 20 --dry-run",
            f"apply {_STEP.format(9)} -o clipped.safetensors -t 20 --dry-run",
            "check sample_data/char_lstm",
            f"diff {_STEP.format(8)} {_STEP.format(9)}",
            "ls sample_data/char_lstm",
            f"ls {_STEP.format(9)}",
            f"show {_STEP.format(9)}",
            f"show {_STEP.format(9)} decoder.weight",
        ),
    ),
}
"""The pages, each with its introduction and the commands that it shows."""


@cache
def _dumps() -> tempfile.TemporaryDirectory[str]:
    """Make the dumps that all pages show, once."""
    folder = tempfile.TemporaryDirectory(prefix="gradclip-screens-")
    planted.write(Path(folder.name, "run"))
    planted.write(Path(folder.name, "good"), seed=1, faults=False)
    Path(folder.name, "sample_data").symlink_to(SAMPLES)
    return folder


def page(path: Path) -> str:
    """Return the text of a page."""
    introduction, commands = PAGES[path]
    return introduction + "".join(map(_section, commands))


def _section(command: str) -> str:
    blocks = (f"\n```text\n$ gradclip {command}\n{shown(command, columns)}```\n" for columns in WIDTHS)
    return f"\n## {command}\n{''.join(blocks)}"


def shown(command: str, columns: int | None) -> str:
    """Return what a command shows on standard output on a terminal of so many columns, or in a pipe."""
    done = in_process(command.split(), Path(_dumps().name), columns)
    if done.code not in (0, 1):
        raise ExampleError(f"{command}\nended with {done.code}:\n{done.text}")
    return done.output
