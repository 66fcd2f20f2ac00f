"""Dumps in pipelines: `-` in the place of an input and of an output, in real shells."""

import json
import math
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from support.command import GRADCLIP, Run, Save
from support.matrices import crossed, every_second, heavy

from gradclip_cli.cli import COMMANDS

Shell = Callable[..., subprocess.CompletedProcess[str]]
"""Takes a script for bash, in which `gradclip` is the command."""

SUFFIX = {"safetensors": ".safetensors", "npz": ".npz", "hdf5": ".h5"}
CLIP = "-s clip-by-global-norm -t 1 -q"


@pytest.fixture
def shell(save: Save, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Run a script in an empty folder, with `set -o pipefail`."""
    command = tmp_path_factory.mktemp("bin") / "gradclip"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gradclip_cli "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"

    def shell(script: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options = {"stdin": subprocess.DEVNULL, "timeout": 120, "env": {**os.environ, "PATH": path}, **options}
        argv = ["bash", "-c", f"set -o pipefail\n{script}"]
        return subprocess.run(argv, capture_output=True, text=True, check=False, **options)

    return shell


@pytest.fixture
def dumps(save: Save, written: Path) -> dict[str, Path]:
    """Put one dump of each format into the working directory."""
    for path in written.iterdir():
        shutil.copy(path, path.name)
    return {format: Path(f"g{suffix}") for format, suffix in SUFFIX.items()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one dump in each format: one tensor is larger than what is read at once, one is packed where that is possible."""
    folder = tmp_path_factory.mktemp("written")
    noise = np.random.default_rng(0).standard_normal((600, 1000)).astype(np.float32)
    tensors = {"lstm/weight": noise, "lstm/bias": noise[0], "count": np.arange(3)}
    paths = {format: folder / f"g{suffix}" for format, suffix in SUFFIX.items()}
    safetensors.numpy.save_file(tensors, paths["safetensors"])
    np.savez_compressed(paths["npz"], **tensors)
    with h5py.File(paths["hdf5"], "w") as file:
        for name, array in tensors.items():
            file.create_dataset(name, data=array, compression="gzip" if array.ndim > 1 else None)
    return folder


@pytest.mark.parametrize(("source", "output"), crossed(SUFFIX, [*SUFFIX][1:] + [*SUFFIX][:1]))
def test_a_pipeline_writes_what_files_get(source: str, output: str, dumps: dict[str, Path], shell: Shell) -> None:
    """From standard input to standard output come the very bytes that a file would get from a file, in all formats."""
    path = dumps[source]
    done = shell(
        f"""
        gradclip apply {path} -o file{SUFFIX[output]} {CLIP} || exit
        cat {path} | gradclip apply - -o - --output-format {output} {CLIP} | cat > piped || exit
        gradclip apply - -o - --output-format {output} {CLIP} < {path} > redirected || exit
        cmp file{SUFFIX[output]} piped && cmp piped redirected
        """
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert Path("piped").stat().st_size > 2_000_000


@pytest.mark.parametrize("format", SUFFIX)
def test_the_format_is_told_by_the_first_bytes(format: str, dumps: dict[str, Path], shell: Shell) -> None:
    """What is read is told by its content, and without --output-format the same is written."""
    path = dumps[format]
    done = shell(
        f"gradclip apply {path} -o out{path.suffix} -s none -q && "
        f"cat {path} | gradclip apply - -o - -s none -q | cmp - out{path.suffix}"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_gradients_on_their_way_between_programs(dumps: dict[str, Path], shell: Shell) -> None:
    """A program that reads the other end of the pipe gets gradients of the norm that was asked for."""
    reader = (
        "import io, sys, numpy as np\n"
        "with np.load(io.BytesIO(sys.stdin.buffer.read())) as g:\n"
        "    print(np.linalg.norm([np.linalg.norm(g[k].astype(float)) for k in g if k != 'count']))"
    )
    done = shell(f'cat {dumps["npz"]} | gradclip apply - -o - {CLIP} | "{sys.executable}" -c "{reader}"')
    assert done.returncode == 0
    assert float(done.stdout) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_tables_go_to_standard_error(output: str, network: Path, shell: Shell) -> None:
    """Where the dump goes to standard output, the tables do not: they are those of a dry run, on standard error."""
    options = f"apply {network} -s clip-l2-per-layer -t 1 -f json"
    plain = shell(f"gradclip {options} --dry-run -o {output}")
    piped = shell(f"gradclip {options} -o {output} > out.safetensors")
    assert (plain.returncode, plain.stderr, piped.returncode, piped.stdout) == (0, "", 0, "")
    (before,), (after,) = json.loads(plain.stdout)["dumps"], json.loads(piped.stderr)["dumps"]
    assert (before.pop("output"), after.pop("output")) == (None, "-")
    assert before == after
    found = safetensors.numpy.load_file("out.safetensors")
    assert np.linalg.norm([np.linalg.norm(found[f"lstm.{name}"]) for name in ("weight", "bias")]) == pytest.approx(1)


def test_reports_call_standard_input_by_its_dash(save: Save, shell: Shell) -> None:
    """Reports name the input `-`, which has no step and comes after the dumps beside it."""
    save("step_3.npz", w=[3.0, 4.0])
    done = shell("gradclip stats step_3.npz - -f json < step_3.npz")
    assert [(dump["input"], dump["step"], dump["norm"]) for dump in json.loads(done.stdout)["dumps"]] == [
        ("step_3.npz", 3, 5),
        ("-", None, 5),
    ]
    listed = shell("cat step_3.npz | gradclip ls - -f json")
    assert [row["input"] for row in json.loads(listed.stdout)["tensors"]] == ["-"]


def test_a_pipe_is_read_as_often_as_needed(save: Save, shell: Shell) -> None:
    """What a pipe brings can be read for its norms and its copies, as one of several inputs too."""
    save("a.npz", w=[3.0, 4.0], v=[1.0])
    save("b.npz", w=[6.0, 8.0])
    done = shell("cat b.npz | gradclip stats a.npz - --allow-missing -s clip-by-global-norm --print-threshold")
    assert (done.returncode, float(done.stdout)) == (0, pytest.approx((math.sqrt(26) + 10) / 2, rel=1e-15))
    pieces = shell("cat b.npz | gradclip stats b.npz - --shards -f json")
    assert json.loads(pieces.stdout)["dumps"][0]["norm"] == pytest.approx(np.sqrt(200))


def test_diff_reads_one_side_from_a_pipe(network: Path, shell: Shell) -> None:
    """`diff` takes `-` on either side, and both sides cannot be standard input."""
    assert shell(f"cat {network} | gradclip diff - {network} -q").returncode == 0
    assert shell(f"gradclip apply {network} -o - {CLIP} | gradclip diff {network} - -q").returncode == 1
    assert shell(f"gradclip diff - - < {network}").returncode == 2


def test_a_file_that_is_called_dash(save: Save, shell: Shell) -> None:
    """A file, or a folder, that is really called `-` is `./-`; `-` itself stays standard input."""
    save("g.npz", w=[3.0, 4.0])
    assert (
        shell(f"gradclip apply g.npz -o ./- --output-format npz {CLIP} && gradclip ls ./- > /dev/null").returncode == 0
    )
    assert shell("gradclip ls - -f json < g.npz && rm ./- && mkdir ./- && gradclip ls - < g.npz").returncode == 0
    assert shell("gradclip apply - -o out.npz -s none < g.npz && test -f out.npz").returncode == 0


def test_standard_input_from_where_it_stands(save: Save, shell: Shell) -> None:
    """A dump that follows other bytes in the file behind standard input is read from where those end."""
    path = save("g.safetensors", w=[3.0, 4.0])
    Path("with-head").write_bytes(b"a line\n" + path.read_bytes())
    done = shell("{ read -r line; gradclip apply - -o - -s none -q; } < with-head | cmp - g.safetensors")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("redirection", [">", ">>", "1<>"])
def test_a_file_behind_standard_output(redirection: str, network: Path, shell: Shell) -> None:
    """Standard output that is a file gets the dump from where it stands, behind what is there where that is asked for."""
    Path("out").write_bytes(b"head")
    done = shell(f"gradclip apply {network} -o - -s none -q {redirection} out")
    kept = b"head" if redirection == ">>" else b""
    assert (done.returncode, done.stderr) == (0, "")
    assert Path("out").read_bytes() == kept + network.read_bytes()


@pytest.mark.parametrize(
    ("output", "redirection"),
    [
        ("/dev/stdout", ">"),
        ("/dev/stderr", "2>"),
        ("/dev/fd/2", "2>>"),
        ("/dev/fd/5", "5>>"),
        ("/proc/self/fd/7", "7>"),
    ],
)
def test_a_file_behind_any_descriptor(output: str, redirection: str, network: Path, shell: Shell) -> None:
    """A descriptor that is redirected to a file is a stream: no --overwrite, and what stands there stays where that is asked for."""
    Path("out").write_bytes(b"head")
    done = shell(f"gradclip apply {network} -o {output} -s none -q {redirection} out")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert Path("out").read_bytes() == (b"head" if ">>" in redirection else b"") + network.read_bytes()


def test_the_same_file_on_both_ends(network: Path, shell: Shell) -> None:
    """A shell that empties the input before it is read leaves an empty file: exit 3."""
    done = shell(f"gradclip apply - -o - -s none < {network} > {network}")
    assert done.returncode == 3
    assert done.stderr.startswith("Error: -: ")


REFUSED = {
    "gradclip ls - - < g.npz": (2, "only once"),
    "gradclip stats - g.npz /dev/stdin < g.npz": (2, "only once"),
    "gradclip apply - --in-place -s none < g.npz": (2, "--in-place"),
    "echo g.npz | gradclip stats - --files-from -": (2, "--files-from"),
    "echo - | gradclip ls --files-from -": (2, "--files-from"),
    "gradclip apply - g.npz -o out -s none < g.npz": (2, "-o FILE"),
    "gradclip apply g.npz h.npz -o - -s none": (2, "-o DIRECTORY"),
    "gradclip apply run -o - -s none": (2, "-o DIRECTORY"),
    "gradclip apply r-00001-of-00002.safetensors -o - -s none": (2, "-o DIRECTORY"),
    "gradclip apply g.npz h.npz --shards -o /dev/stdout -s none": (2, "-o DIRECTORY"),
    "gradclip ls - <&-": (3, "-: standard input is closed"),
    "gradclip ls --files-from - <&-": (3, "-: standard input is closed"),
    "gradclip ls - < /dev/null": (3, "-: .*empty"),
    ": | gradclip apply - -o - -s none": (3, "-: .*empty"),
    "head -c 100 g.npz | gradclip apply - -o - -s none": (3, "-: "),
    "head -c 3000 g.h5 | gradclip apply - -o - -s none": (3, "-: HDF5 cannot read it: it is cut short"),
    "yes | gradclip stats -": (3, "-: is none of"),
    "gradclip ls - < run": (1, ""),  # Python itself refuses to begin
    "cat bad.npz | gradclip apply - -o - -s none": (4, "-: .*NaN"),
    "gradclip apply g.npz -o - -s none >&-": (5, "standard output: is closed"),
    "gradclip apply g.npz -o /dev/fd/77 -s none": (5, "/dev/fd/77: is closed"),
    "gradclip apply g.npz -o /dev/stdin -s none < g.npz": (5, "/dev/stdin: .*input itself"),
    "gradclip apply g.npz -o - -s none > /dev/full": (5, "standard output: no space left"),
    "gradclip apply eight.safetensors -o - --output-format npz -s none": (5, "-: w: .*float8"),
    "(ulimit -f 100; cat large.npz | gradclip stats -)": (3, "-: .*temporary file: file too large; .*TMPDIR"),
    "(ulimit -f 100; gradclip apply large.npz -o - -s clip-by-norm -t 1)": (5, "-: file too large.*TMPDIR"),
}


@pytest.mark.parametrize("script", every_second(REFUSED))
def test_what_cannot_be(script: str, save: Save, shell: Shell) -> None:
    """What is wrong is said in one line, with the documented exit code, and nothing goes to standard output."""
    save("g.npz", w=[3.0, 4.0])
    save("h.npz", w=[3.0, 4.0])
    save("bad.npz", w=[np.nan])
    save("large.npz", w=np.ones(1_000_000, np.float32))
    safetensors.numpy.save_file({"w": np.ones(2).astype(ml_dtypes.float8_e5m2)}, "eight.safetensors")
    with h5py.File("g.h5", "w") as file:
        file["w"] = np.ones(1000)
    for k in (1, 2):
        save(f"r-{k:05}-of-00002.safetensors", **{f"w{k}": [1.0]})
    Path("run").mkdir()
    save("run/step1.npz", w=[1.0])
    before = sorted(os.listdir())
    code, pattern = REFUSED[script]
    done = shell(script)
    assert (done.returncode, done.stdout, sorted(os.listdir())) == (code, "", before)
    if code > 1:
        *usage, line = done.stderr.splitlines()
        assert line.startswith("Error: ")
        assert all(part in line for part in pattern.split(".*"))
        assert bool(usage) == (code == 2)


BROKEN = {
    "short.safetensors": lambda data: data[:-3],
    "tail.safetensors": lambda data: data + b"x",
    "flipped.npz": lambda data: data[:-300] + bytes([data[-300] ^ 1]) + data[-299:],
    "short.npz": lambda data: data[:-5],
    "pickle.pt": lambda _: b"\x80\x02}q\x00.",
    "pointer.npz": lambda _: b"version https://git-lfs.github.com/spec/v1\n",
}


@pytest.mark.parametrize("name", every_second(BROKEN))
def test_what_is_broken_is_refused_as_in_a_file(name: str, dumps: dict[str, Path], run: Run, shell: Shell) -> None:
    """A broken dump in a pipe is refused with the words that it would get as a file."""
    intact = next((path.read_bytes() for path in dumps.values() if path.suffix == Path(name).suffix), b"")
    Path(name).write_bytes(BROKEN[name](intact))
    file = run("stats", name)
    piped = shell(f"cat {name} | gradclip stats -")
    assert (file.code, piped.returncode, piped.stdout) == (3, 3, "")
    assert piped.stderr == file.err.replace(f"Error: {name}: ", "Error: -: ")


@pytest.mark.parametrize(
    ("argv", "stream"),
    [
        (["ls", "-"], "stdin"),
        (["apply", "g.npz", "-o", "-", "-s", "none"], "stdout"),
        (["apply", "g.npz", "-o", "TERMINAL", "-s", "none"], "stdout"),
    ],
)
def test_a_terminal_holds_no_dump(argv: list[str], stream: str, save: Save) -> None:
    """A dump is neither read from a terminal nor written to one: wrong usage, which says what to do."""
    save("g.npz", w=[3.0, 4.0])
    master, slave = pty.openpty()
    argv = [os.ttyname(slave) if part == "TERMINAL" else part for part in argv]
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, stream: slave}
    done = subprocess.run([*GRADCLIP, *argv], stderr=subprocess.PIPE, text=True, check=False, timeout=60, **streams)
    os.set_blocking(master, False)
    with pytest.raises(BlockingIOError):
        os.read(master, 1)
    os.close(slave)
    os.close(master)
    assert done.returncode == 2
    assert "is a terminal; " in done.stderr.splitlines()[-1]


def test_the_output_is_checked_before_the_input_is_read(save: Save) -> None:
    """A run that could not write its output ends before it waits for what a pipe brings."""
    save("there.npz", w=[1.0])
    argv = [*GRADCLIP, "apply", "-", "-o", "there.npz", "-s", "none"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.wait(timeout=60) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_interrupted_pipeline_leaves_no_file(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C in a pipeline, and even a kill, leave nothing of what was read or written."""
    spool = tmp_path / "spool"
    spool.mkdir()
    np.savez(tmp_path / "g.npz", w=np.ones(2_000_000, np.float32))
    environment = {**os.environ, "TMPDIR": str(spool)}
    script = '"$0" -m gradclip_cli apply - -o - -s none | "$0" -m gradclip_cli apply - -o out.npz -s none'
    process = subprocess.Popen(
        ["bash", "-c", script, sys.executable],
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write((tmp_path / "g.npz").read_bytes()[:6_000_000])  # more than a pipe holds, and not all
    process.stdin.flush()
    os.killpg(process.pid, number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == -number
    assert (output, errors) == (b"", b"")
    assert os.listdir(spool) == []
    assert sorted(os.listdir(tmp_path)) == ["g.npz", "spool"]


def test_a_reader_that_leaves_ends_a_dump_quietly(dumps: dict[str, Path], shell: Shell) -> None:
    """`head` after a dump ends the run with 0, and nothing is said."""
    done = shell(f"gradclip apply {dumps['npz']} -o - -s none | head -c 2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "PK", "")


def test_nothing_goes_out_before_the_input_is_known_to_be_good(save: Save, shell: Shell) -> None:
    """A dump whose last tensor is bad leaves standard output empty, however large it is."""
    save("g.npz", a=np.ones(1_000_000, np.float32), z=[np.inf])
    done = shell("cat g.npz | gradclip apply - -o - -s none | wc -c")
    assert (done.returncode, done.stdout.strip()) == (4, "0")


ARGUMENTS = {
    "cache": "info",
    "help": "dump",
    "apply": "many.safetensors --dry-run -s none",
    "diff": "many.safetensors many.safetensors --all",
    "report": "many.safetensors -o -",
    "strategies": "",
}


@pytest.mark.parametrize("command", [pytest.param(one, marks=heavy if one == "report" else ()) for one in COMMANDS])
def test_the_first_line_of_every_table(command: str, save: Save, shell: Shell) -> None:
    """`| head -1` after any command shows its first line and ends quietly."""
    save("many.safetensors", **{f"layer{k}.weight": np.ones(1, np.float32) for k in range(3000)})
    done = shell(f"gradclip {command} {ARGUMENTS.get(command, 'many.safetensors')} | head -1")
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 1, "")


def test_a_threshold_in_a_command(save: Save, shell: Shell) -> None:
    """The threshold that `stats` prints is what `apply` takes, exactly."""
    for k, norm in enumerate([3.0, 4.0, 8.0]):
        save(f"step{k}.npz", w=[norm, 0.0])
    done = shell(
        """
        gradclip apply - -o - -s clip-by-norm -q < step2.npz \
          -t "$(gradclip stats step*.npz -s clip-by-norm --rule median --print-threshold)" > out.npz
        """
    )
    assert done.returncode == 0
    with np.load("out.npz") as found:
        assert found["w"].tolist() == [4, 0]


def test_names_with_any_byte_from_find(save: Save, shell: Shell) -> None:
    """`find -print0` names the dumps of a tree, whatever is in their names."""
    Path("run").mkdir()
    for name in ("a b.npz", "new\nline.npz", "-.npz"):
        save(f"run/{name}", w=[3.0, 4.0])
    done = shell("find run -name '*.npz' -print0 | sort -z | gradclip stats --files-from - -0 -f json")
    assert [dump["input"] for dump in json.loads(done.stdout)["dumps"]] == [
        "run/-.npz",
        "run/a b.npz",
        "run/new\nline.npz",
    ]


def test_several_processes_of_xargs(save: Save, shell: Shell) -> None:
    """`xargs -P` clips dumps side by side; one that is bad is told by the exit code."""
    Path("run").mkdir()
    for k in range(4):
        save(f"run/{k}.npz", w=[3.0, 4.0])
    script = "mkdir -p out; ls run | xargs -P 2 -I{} gradclip apply run/{} -o out/{} -s clip-by-norm -t 2.5 -q"
    assert shell(script).returncode == 0
    for k in range(4):
        with np.load(f"out/{k}.npz") as found:
            assert found["w"].tolist() == [1.5, 2]
    assert shell(script).returncode == 123  # all of them exist


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_a_question_to_jq(network: Path, shell: Shell) -> None:
    """jq reads the JSON of a dry run from the pipe, and that of a real run from standard error."""
    clipped = "jq -r '.dumps[].layers[] | select(.clipped) | .layer'"
    dry = shell(f"gradclip apply {network} --dry-run -s clip-l2-per-layer -t 1 -f json | {clipped}")
    real = shell(f"gradclip apply {network} -o - -s clip-l2-per-layer -t 1 -f json 2>&1 >out | {clipped}")
    assert (dry.stdout, real.stdout) == ("lstm\n", "lstm\n")


def test_a_gate_by_exit_code(save: Save, shell: Shell) -> None:
    """A script can stop at gradients that are not finite, and tell them from files that cannot be read."""
    save("good.npz", w=[1.0])
    save("bad.npz", w=[np.nan])
    gate = "for f in {}; do gradclip apply $f --dry-run -s none -q || exit; done; echo passed"
    assert shell(gate.format("good.npz")).stdout == "passed\n"
    assert [shell(gate.format(names)).returncode for names in ("good.npz bad.npz", "missing.npz")] == [4, 3]


def test_a_packed_dump(network: Path, shell: Shell) -> None:
    """A dump that lies packed is unpacked on its way."""
    done = shell(
        f"gzip -k {network} && gzip -dc {network}.gz | gradclip apply - -o - -s none -q | gzip -n | gzip -dc | cmp - {network}"
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_functions_read_and_write_the_same_streams(network: Path, shell: Shell) -> None:
    """For Python, too, "-" is standard input, and standard output."""
    script = (
        "import gradclip_cli as g; n = g.stats('-').dumps[0].norm; "
        "g.apply('-', '-', strategy='clip-by-global-norm', threshold=n / 2)"
    )
    done = shell(
        f'cat {network} | "{sys.executable}" -c "{script}" > piped &&'
        f" gradclip apply {network} -o file.safetensors -s clip-by-global-norm -q"
        f' -t "$("{sys.executable}" -c "print((169 + 0.25) ** 0.5 / 2)")"'
    )
    assert (done.returncode, done.stderr) == (0, "")
    piped, file = (safetensors.numpy.load_file(path) for path in ("piped", "file.safetensors"))
    assert all(np.allclose(piped[name], file[name], rtol=1e-6) for name in file)
