"""As a library the package leaves the process of its caller as it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "sample_data"

CALLS = """
import gc, os, signal, sys, threading, warnings
import numpy as np, h5py, fnmatch, tempfile, difflib  # what these change is theirs

samples, folder = sys.argv[1:]
with open(os.devnull) as null, h5py.File(os.path.join(folder, "x.h5"), "w"), tempfile.TemporaryFile():
    pass  # what libraries open once and keep

def state():
    return {
        "environment": dict(os.environ),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "wakeup": signal.set_wakeup_fd(-1),
        "collector": (gc.get_threshold(), gc.isenabled(), gc.get_freeze_count(), list(gc.callbacks)),
        "threads": [thread.name for thread in threading.enumerate()],
        "warnings": list(warnings.filters),
        "numpy": (np.geterr(), np.geterrcall(), np.get_printoptions()),
        "descriptors": {fd: os.readlink(f"/dev/fd/{fd}") for fd in os.listdir("/dev/fd") if os.path.exists(f"/dev/fd/{fd}")},
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.gettrace(), sys.getprofile()),
        "streams": (sys.stdin, sys.stdout, sys.stderr, sys.stdout.errors, sys.stderr.errors),
        "limits": (sys.getrecursionlimit(), sys.getswitchinterval(), sys.get_int_max_str_digits()),
        "directory": os.getcwd(),
        "path": list(sys.path),
    }

before = state()
import gradclip_cli
from gradclip_cli import GradclipError, apply, check, diff, ls, stats
imported = state()
for name in ("char_lstm", "char_lstm_hdf5", "dl4j_lstm"):
    dumps = os.path.join(samples, name)
    stats(dumps, tries=["clip-by-global-norm:1"])
    check(dumps)
    ls(dumps)
    first = os.path.join(dumps, sorted(os.listdir(dumps))[0])
    diff(first, first)
    for suffix in ("safetensors", "h5", "npz"):
        target = os.path.join(folder, f"{name}.{suffix}")
        apply(first, target, strategy="clip-l2-per-layer", threshold="mean", overwrite=True)
    try:
        apply(first, target, strategy="none")
    except GradclipError:
        pass
    else:
        raise AssertionError("an output that is there was replaced")
called = state()
for after, when in ((imported, "imported"), (called, "called")):
    for key, value in before.items():
        if after[key] != value and isinstance(value, dict):
            print(when, key, sorted(name for name in {**value, **after[key]} if value.get(name) != after[key].get(name)))
        elif after[key] != value:
            print(when, key, value, after[key])
from gradclip_cli.tensors import TensorSpec
gc.collect()
if kept := sum(isinstance(one, TensorSpec) for one in gc.get_objects()):
    print(f"{kept} tensors of headers are kept")
"""


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="installed without its samples")
def test_importing_and_calling_change_nothing_in_the_process(tmp_path: Path) -> None:
    """No variable, handler, filter, setting, thread or descriptor is another afterwards, and no header is kept."""
    argv = [sys.executable, "-c", CALLS, str(SAMPLES), str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HDF5")}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_is_light() -> None:
    """The package itself comes without numpy, h5py, rich and click."""
    script = "import sys, gradclip_cli; print([m for m in ('numpy', 'h5py', 'rich', 'click') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
