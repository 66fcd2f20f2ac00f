"""One table: what is typed, the exit code, and what stands on the two streams."""

import re
import shutil
from contextlib import chdir
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from support.command import NETWORK, Run
from support.command import save_here as save

UNWRITABLE = "/proc/self/fdinfo/out.safetensors"
"""A place where not even root can make a file."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write dumps, broken and otherwise, once."""
    with chdir(tmp_path_factory.mktemp("filled")):
        fill()
        return Path.cwd()


@pytest.fixture
def folder(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fill the working directory with copies of the dumps."""
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("g.safetensors")


def fill() -> None:
    """Write every dump into the working directory."""
    network = save("g.safetensors", **NETWORK)
    save("bad.safetensors", w=[1.0, np.nan, np.inf], v=[-np.inf], u=[1.0])
    save("zero.safetensors", w=[0.0, 0.0])
    save("whole.safetensors", count=np.arange(3))
    save("complex.npz", w=np.ones(2, np.complex64))
    save("void.npz", w=np.ones(2, np.uint16).view("V2"))
    np.savez("object.npz", w=np.array([{}], dtype=object))
    safetensors.numpy.save_file({"w": np.ones(2).astype(ml_dtypes.float8_e5m2)}, "eight.safetensors")
    data = network.read_bytes()
    Path("short.safetensors").write_bytes(data[:-3])
    Path("text.safetensors").write_text("not a dump, but long enough to be taken for one")
    Path("empty.npz").touch()
    Path("pickle.pt").write_bytes(b"\x80\x02}q\x00.")
    with h5py.File("short.h5", "w") as file:
        file["w"] = np.ones(1000)
    Path("short.h5").write_bytes(Path("short.h5").read_bytes()[:-100])
    save("zip.npz", w=[1.0])
    Path("zip.npz").write_bytes(Path("zip.npz").read_bytes()[:-5])
    Path("there.safetensors").write_bytes(b"old")
    Path("steps").mkdir()
    Path("again").mkdir()
    Path("void").mkdir()
    save("steps/step1.safetensors", w=[3.0, 4.0])
    save("steps/step2.safetensors", w=[6.0, 8.0])
    save("again/step1.safetensors", w=[1.0, 1.0])
    Path("bad.toml").write_text("= 1")
    Path("unknown.toml").write_text("treshold = 1")
    Path("kind.toml").write_text("overwrite = 3")
    Path("below.toml").write_text("threshold = -1")
    Path("layer.toml").write_text("[[layer]]\npattern = 'lstm'\nlimit = 1")


RIGHT = [
    "apply g.safetensors -o out.safetensors -s none",
    "apply g.safetensors -o out.safetensors -s clip-by-global-norm -t inf",
    "apply g.safetensors -o out.safetensors -s clip-by-global-norm -t mean",
    "apply steps -o out -s clip-by-global-norm -t autoclip:10",
    "apply steps -o out -s clip-by-norm -t 1 --layer w=:zclip",
    "apply g.safetensors -o out.npz -s ClipL2PerLayer -t 1e-3",
    "apply g.safetensors -o out.h5 -s RENORMALIZE_l2_per_layer",
    "apply g.safetensors -o out --output-format npz -s none",
    "apply g.safetensors -o new.safetensors -s none --input-format safetensors",
    "apply g.safetensors -o steps -s none",
    "apply g.safetensors -o steps/ -t 1",
    "apply g.safetensors --dry-run -t 1",
    "apply g.safetensors -o out.npz -s none --output-dtype float16",
    "apply g.safetensors --in-place -s none --output-dtype bfloat16",
    "apply g.safetensors --dry-run -s none",
    "apply g.safetensors --in-place -s clip_by_value -t 1",
    "apply g.safetensors -o there.safetensors --overwrite -s none",
    "apply g.safetensors -o new.safetensors --overwrite -s none",
    "apply g.safetensors -o /dev/null -s none",
    "apply steps -o out -s clip-by-norm -t 1",
    "apply steps/step1.safetensors g.safetensors -o void -s none",
    "apply g.safetensors -o out.safetensors -s none -t 1 --layer lstm=clip-by-norm",
    "apply g.safetensors -o out.safetensors -s clip-by-norm -t 1 --layer lstm=none",
    "apply g.safetensors -o out.safetensors -s clip-by-norm -t 1 --layer lstm=none --norm-type inf --epsilon 0",
    "apply bad.safetensors -o out.safetensors -s clip-by-norm -t 1 --nonfinite propagate",
    "apply bad.safetensors -o out.safetensors -s clip-by-norm -t 1 --exclude w --exclude v",
    "apply complex.npz -o out.npz -s none",
    "apply complex.npz -o out.npz -s clip-by-value -t 1",
    "apply void.npz -o out.npz -s none --void-dtype bfloat16",
    "apply whole.safetensors -o out.safetensors -s clip-by-global-norm -t 1",
    "stats g.safetensors",
    "stats steps --skip-steps 1 --by step --by total",
    "stats bad.safetensors",
    "stats steps -s clip-by-norm --print-threshold",
    "stats steps --norm-type 1 --rule mean",
    "check g.safetensors",
    "check steps g.safetensors --allow-missing --fail-on dead,nonfinite --underflow-dtype float16 --underflow-dtype stored",
    "check complex.npz",
    "stats steps --try clip-by-global-norm:7 --try ClipL2PerLayer:mad:5 --try clip_by_value:mean --try none --norm-type 1",
    "stats bad.safetensors --try clip-by-value:1 --try RenormalizeL2PerLayer --try clip-by-norm:inf -f json",
    "stats steps -s clip-by-global-norm --rule autoclip:50 --print-threshold",
    "stats steps --rule zclip:3 -f json",
    "stats steps --rule autoclip:50 --by layer --by total",
    "stats steps --try clip-by-norm:autoclip:10 --try clip-by-value:zclip",
    "ls g.safetensors bad.safetensors complex.npz",
    "ls eight.safetensors -f json",
    "diff g.safetensors g.safetensors",
    "diff steps/step1.safetensors steps/step2.safetensors --rtol 1",
    "diff complex.npz complex.npz",
    "diff bad.safetensors bad.safetensors --all -j 1",
    "diff void.npz void.npz --void-dtype bfloat16 --input-format npz",
    "strategies",
    "--version",
    "--help",
    "apply --help",
]
"""Exit code 0, and something on standard output."""

TO = "-o out.safetensors"
G = f"apply g.safetensors {TO}"

USAGE = {
    "nosuch": "nosuch",
    "apply": "dump",
    "apply g.safetensors --dry-run": "clip-by-global-norm needs a threshold: -t with a number, or with a rule such as mean",
    "apply g.safetensors -o out -t 1": r"-o out: no suffix tells the format; end the name in .*, or give --output-format",
    "apply g.safetensors -o out.pt -t 1": r"\.pt is the suffix of no format",
    "apply g.safetensors -o out.npy -t 1 --dry-run": r"\.npy is the suffix of no format",
    "apply steps -o there.safetensors -s none": "-o there.safetensors would be a directory",
    f"{G} -t 1 --output-dtype float8": "float8",
    f"apply {TO} -s none": "dump",
    "stats": "dump",
    "ls": "dump",
    "check": "dump",
    G: "needs a threshold",
    f"{G} -s nosuch": "nosuch",
    f"{G} -s clip-by-nrm -t 1": "clip-by-norm|clip-l2-per-param-type",
    f"{G} -s none --nosuch": "--nosuch",
    f"{G} -s clip-by-norm": "threshold",
    f"{G} -s clip-by-value": "threshold",
    f"{G} -s clip-by-norm -t 0": "above 0.*-s none to copy, or use stats to measure",
    f"{G} -s clip-by-norm -t -0.0": "above 0",
    f"{G} -s clip-by-norm -t -1": "above 0",
    f"{G} -s clip-by-norm -t -inf": "above 0",
    f"{G} -s clip-by-norm -t nan": "nan",
    f"{G} -s clip-by-norm -t 1e-400": "above 0",
    f"{G} -s clip-by-norm -t 1x": "1x",
    f"{G} -s clip-by-norm -t nosuch": "nosuch",
    f"{G} -s clip-by-norm -t autoclip:101": "autoclip",
    f"{G} -s clip-by-norm -t autoclip:x": "autoclip",
    f"{G} -s clip-by-norm -t 1 --layer lstm=:zclip:-1": "zclip",
    f"{G} -s clip-by-norm -t autoclp": "autoclip:10",
    f"{G} -s none -t autoclip": "threshold",
    f"{G} -s none -t 1": "threshold",
    f"{G} -s none -t inf": "threshold",
    f"{G} -s renormalize-l2-per-layer -t 1": "threshold",
    f"{G} -s renormalize-l2-per-param-type -t mean": "threshold",
    f"{G} -s none --layer lstm=none:1": "threshold",
    f"{G} -s none --layer lstm=:1": "threshold",
    f"{G} -s clip-by-norm -t 1 --layer lstm=RenormalizeL2PerLayer:1": "threshold",
    f"{G} -s none --layer lstm=clip-by-norm": "threshold",
    f"{G} -s none --layer lstm=clip-by-norm:0": "above 0",
    f"{G} -s none --layer lstm=nosuch": "nosuch",
    f"{G} -s none --layer lstm": "lstm",
    f"{G} -s none --layer lstm=": "lstm",
    f"{G} -s clip-by-norm -t 1 --layer nosuch=none": "nosuch",
    f"{G} -s clip-by-norm -t 1 --layer LSTM=none": "LSTM",
    f"{G} -s clip-by-norm -t 1 --layer step=none": "step",
    f"{G} -s none --norm-type 3": "norm-type",
    f"{G} -s none --epsilon 1": "epsilon",
    f"{G} -s clip-by-value -t 1 --norm-type 3": "norm-type",
    f"{G} -s clip-by-value -t 1 --epsilon 1e-6": "epsilon",
    f"{G} -s RenormalizeL2PerLayer --norm-type 1": "norm-type",
    f"{G} -s RenormalizeL2PerParamType --epsilon 1": "epsilon",
    f"{G} -s clip-by-norm -t 1 --norm-type 0": "norm type",
    f"{G} -s clip-by-norm -t 1 --norm-type 0.09": "norm type",
    f"{G} -s clip-by-norm -t 1 --norm-type 64.1": "norm type",
    f"{G} -s clip-by-norm -t 1 --norm-type nan": "norm type",
    f"{G} -s clip-by-norm -t 1 --norm-type -inf": "norm type",
    f"{G} -s clip-by-norm -t 1 --norm-type two": "two",
    f"{G} -s clip-by-norm -t 1 --epsilon -1": "epsilon",
    f"{G} -s clip-by-norm -t 1 --epsilon nan": "epsilon",
    f"{G} -s none --nonfinite drop": "drop",
    f"{G} -s none --output-format pickle": "pickle",
    f"{G} -s none --input-format pickle": "pickle",
    f"{G} -s none --group-depth 0": "group-depth",
    f"{G} -s none --layer-regex (": "layer-regex",
    f"{G} -s none --layer-regex .*": "layer-regex",
    f"{G} -s clip-by-norm -t 1_0 --dry-run": "'1_0' is neither",
    f"{G} -s clip-by-norm -t ١ --dry-run": "'١' is neither",
    f"{G} -s clip-by-norm -t 1e400 --dry-run": "'1e400' is neither",
    f"{G} -s clip-by-norm -t percentile:9_0 --dry-run": "'9_0'",
    f"{G} -s clip-by-norm -t 1 --epsilon 1e999 --dry-run": "--epsilon",
    f"{G} -s clip-by-norm -t 1 --norm-type 1_0 --dry-run": "--norm-type",
    "ls g.safetensors --top 1_0": "--top",
    "ls g.safetensors --group-depth ١": "--group-depth",
    "stats g.safetensors --skip-steps 0_0": "--skip-steps",
    "stats g.safetensors -j 1_0": "--jobs",
    "diff g.safetensors g.safetensors --rtol 1_0": "--rtol",
    "check g.safetensors --exploding-factor 1_0": "--exploding-factor",
    "check g.safetensors --exploding-dumps 1_0": "--exploding-dumps",
    f"{G} -s none --in-place": "--in-place",
    "apply g.safetensors -s none": "-o",
    f"{G} -s none -j 0": "jobs",
    f"{G} -s none --void-dtype float16": "float16",
    f"{G} -s none -f yaml": "yaml",
    "apply steps again -o out -s none": "gradclip diff again steps",
    f"{G} -s none --config unknown.toml": "treshold",
    f"{G} -s none --config kind.toml": "overwrite",
    f"{G} -s clip-by-norm --config below.toml": "above 0",
    f"{G} -s none --config layer.toml": "limit",
    "diff": "A",
    "diff g.safetensors": "B",
    "diff g.safetensors g.safetensors g.safetensors": "unexpected extra argument",
    "diff steps again": "steps holds 2 dumps",
    "diff g.safetensors g.safetensors --rtol -1": "rtol",
    "diff g.safetensors g.safetensors --atol nan": "atol",
    "diff g.safetensors g.safetensors --rtol inf": "rtol",
    "diff g.safetensors g.safetensors --include nosuch": "nosuch",
    "diff g.safetensors g.safetensors --group-depth 0": "group-depth",
    "diff g.safetensors g.safetensors -j 0": "jobs",
    "check g.safetensors --ignore explodin": "did you mean exploding",
    "check g.safetensors --fail-on dead,nosuch": "nosuch.*spread",
    "check g.safetensors --fail-on dead --ignore dead": "exclude each other: dead",
    "check g.safetensors --exploding-factor nan": "exploding-factor",
    "check g.safetensors --spread-ratio -1": "spread-ratio",
    "check g.safetensors --dead-share 2": "dead-share",
    "check g.safetensors --unchanged-dumps 1": "unchanged-dumps",
    "check g.safetensors --underflow-dtype float12": "float12",
    "check g.safetensors --include nosuch": "nosuch",
    "stats g.safetensors -s none": "none",
    "stats g.safetensors -s RenormalizeL2PerLayer": "renormalize-l2-per-layer",
    "stats g.safetensors --print-threshold": "-s",
    "stats g.safetensors --rule nosuch": "nosuch",
    "stats g.safetensors --rule zclip:nan": "zclip",
    "stats g.safetensors --by tensor": "tensor",
    "stats g.safetensors --skip-steps -1": "skip-steps",
    "stats g.safetensors --norm-type 65": "norm type",
    "stats g.safetensors -s clip-by-value --norm-type 1": "norm-type",
    "stats g.safetensors --try clip-by-nrm:1": "clip-by-norm|clip-l2-per-param-type",
    "stats g.safetensors --try clip-by-norm": "needs a threshold",
    "stats g.safetensors --try clip-by-norm:": "neither a number nor a rule",
    "stats g.safetensors --try clip-by-norm:0": "above 0",
    "stats g.safetensors --try clip-by-norm:nosuch": "nosuch",
    "stats g.safetensors --try clip-by-norm:mad:-1": "mad",
    "stats g.safetensors --try none:1": "takes no threshold",
    "stats g.safetensors --try RenormalizeL2PerLayer:mean": "takes no threshold",
}
"""Exit code 2, and what the message must name."""

INPUT = {
    f"apply nosuch.safetensors {TO} -s none": "nosuch.safetensors: .*(no such file|does not exist)",
    "stats nosuch": "nosuch",
    "ls nosuch.npz": "nosuch.npz",
    "check nosuch": "nosuch",
    "check g.safetensors short.safetensors": "short.safetensors: ",
    f"apply short.safetensors {TO} -s none": "short.safetensors: ",
    f"apply text.safetensors {TO} -s none": "text.safetensors: ",
    "stats short.h5": "short.h5: ",
    "stats zip.npz": "zip.npz: ",
    "ls empty.npz": "empty.npz: .*empty",
    "ls pickle.pt": "pickle.pt: .*save_file",
    "ls object.npz": "object.npz: .*pickled objects .w.",
    "ls g.safetensors --input-format npz": "g.safetensors: ",
    "ls g.safetensors --input-format hdf5": "g.safetensors: ",
    "stats void": "void: .*no dump",
    "diff nosuch.npz g.safetensors": "nosuch.npz: ",
    "diff g.safetensors nosuch.npz": "nosuch.npz: ",
    "diff g.safetensors short.safetensors": "short.safetensors: ",
    "diff void g.safetensors": "void: .*no dump",
    "diff void.npz void.npz": "void.npz: w.*--void-dtype bfloat16",
    f"apply void.npz {TO} -s none": "void.npz: w.*--void-dtype bfloat16",
    "stats g.safetensors short.safetensors": "short.safetensors: ",
    "stats g.safetensors zero.safetensors": "zero.safetensors: ",
    f"apply zero.safetensors {TO} -s clip-by-norm -t mean": "mean",
    f"apply whole.safetensors {TO} -s clip-by-norm -t mean": "mean",
    f"apply bad.safetensors {TO} -s clip-by-global-norm -t mean --nonfinite skip": "bad.safetensors: .*mean.*--nonfinite zero",
    "stats zero.safetensors -s clip-by-norm --print-threshold": "mean",
    "stats bad.safetensors -s clip-by-global-norm --print-threshold": "bad.safetensors: .*; look at it .*check",
    f"apply bad.safetensors {TO} -s clip-by-global-norm -t autoclip --nonfinite skip": "bad.safetensors: .*autoclip:10.*NaN or inf",
    f"apply whole.safetensors {TO} -s clip-by-global-norm -t zclip": "zclip:2.5.*there is no norm",
    "stats zero.safetensors -s clip-by-global-norm --rule autoclip --print-threshold": "would be 0",
    "stats steps -s clip-by-global-norm --rule zclip --print-threshold": "warm-up of 25 steps",
    "stats g.safetensors -s clip-by-norm --rule autoclip --print-threshold": "each group has its own",
    f"{G} -s none --config nosuch.toml": "nosuch.toml",
    f"{G} -s none --config bad.toml": "bad.toml",
}
"""Exit code 3, and a pattern of the line."""

NONFINITE = {
    f"apply bad.safetensors {TO} -s none": r"bad.safetensors: ",
    f"apply bad.safetensors {TO} -s clip-by-norm -t 1": r"w \(1 NaN, 1 \+Inf\)",
    f"apply bad.safetensors {TO} -s clip-by-value -t 1": r"v \(1 -Inf\)",
    "apply bad.safetensors --in-place -s clip-by-norm -t 1": "--nonfinite",
    "apply bad.safetensors --dry-run -s clip-by-norm -t 1": "--nonfinite",
    "apply g.safetensors bad.safetensors -o out -s clip-by-norm -t 1 -q": "bad.safetensors: ",
}
"""Exit code 4, and a pattern of the line."""

OUTPUT = {
    "apply g.safetensors -o there.safetensors -s none": "there.safetensors: .*exists.*--overwrite",
    "apply g.safetensors -o g.safetensors -s none": "g.safetensors: is the input itself; .*--in-place",
    "apply g.safetensors -o nosuch/ -s none": "nosuch/: is a directory that does not exist",
    "apply steps/step1.safetensors -o again/ -s none": "step1.safetensors: .*exists",
    "apply g.safetensors -o nosuch/out.safetensors -s none": "nosuch",
    "apply g.safetensors -o there.safetensors/out.safetensors -s none": "there.safetensors",
    f"apply g.safetensors -o {UNWRITABLE} -s none": UNWRITABLE,
    "apply g.safetensors -o /dev/full -s none": "/dev/full: ",
    "apply steps -o nosuch/out -s none": "nosuch/out",
    "apply steps -o again -s none": "step1.safetensors: .*exists",
    "apply eight.safetensors -o out.npz -s none": "out.npz: w: .*float8_e5m2",
    "apply eight.safetensors -o out.h5 -s none": "out.h5: w: .*float8_e5m2",
}
"""Exit code 5, and a pattern of the line."""
ERRORS = [
    pytest.param(argv, code, pattern, id=argv)
    for code, table in ((2, USAGE), (3, INPUT), (4, NONFINITE), (5, OUTPUT))
    for argv, pattern in table.items()
]


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return every file below a folder, hidden ones too."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("argv", RIGHT)
def test_done(argv: str, folder: Path, run: Run) -> None:
    """What is right exits with 0, shows something, and leaves no temporary file."""
    result = run(*argv.split())
    assert result.code == 0
    assert result.out.strip()
    assert all(line.startswith("note: ") for line in result.err.splitlines())
    assert not list(Path().rglob(".*"))


@pytest.mark.parametrize(("argv", "code", "pattern"), ERRORS)
def test_error(argv: str, code: int, pattern: str, folder: Path, run: Run) -> None:
    """An error is one line of at most 1,500 bytes, behind click's usage lines if usage is wrong, and changes no file."""
    before = contents(folder.parent)
    result = run(*argv.split())
    *usage, line = result.err.splitlines()
    assert (result.code, result.out) == (code, "")
    assert re.match(rf"Error: .*(?:{pattern})", line)
    assert len(line.encode()) <= 1500
    if code == 2:
        assert usage[0].startswith("Usage: gradclip")
        assert usage[-1].startswith("Try 'gradclip") or usage[-1] == ""
    else:
        assert usage == []
        assert re.search(r"; \w|did you mean", line), "an error says what to do"
    assert contents(folder.parent) == before


@pytest.mark.parametrize("argv", [argv for argv in RIGHT if argv.startswith("apply g.") and "--dry-run" not in argv])
def test_quiet(argv: str, folder: Path, run: Run) -> None:
    """With -q `apply` prints no tables."""
    result = run(*argv.split(), "-q")
    assert (result.code, result.out) == (0, "")


def test_dry_run_writes_nothing(folder: Path, run: Run) -> None:
    """--dry-run shows the tables of the real run and writes nothing; it needs no -o."""
    before = contents(folder.parent)
    result = run("apply", folder, "--dry-run", "-s", "clip-by-global-norm", "-t", "1")
    assert result.code == 0
    assert "lstm.weight" in result.out
    assert contents(folder.parent) == before


EMPTY = [
    ["ls", ""],
    ["stats", "g.safetensors", ""],
    ["diff", "g.safetensors", ""],
    ["ls", "--files-from", ""],
    ["apply", "g.safetensors", "-s", "none", "-o", ""],
    ["apply", "g.safetensors", "-s", "none", "--dry-run", "--config", ""],
]


@pytest.mark.parametrize("argv", EMPTY, ids=" ".join)
def test_an_empty_path_is_wrong_usage(argv: list[str], folder: Path, run: Run) -> None:
    """An empty path, as an unset variable of a script leaves it, names no file: the message says that it is empty."""
    result = run(*argv)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1].endswith("the path is empty; name a file or a directory")
