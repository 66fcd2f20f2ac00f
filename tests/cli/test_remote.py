"""The command line on URLs: options, lines, exit codes; no secret in any of them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

pytest.importorskip("obstore")

from support.command import GRADCLIP, Run
from support.servers.objects import Asked, Objects
from support.servers.surroundings import hurried_server

import gradclip_cli
from gradclip_cli.render.html import PICTURES, page

DUMP = save({"w": np.array([3, 4], np.float32)})


@pytest.fixture
def server() -> Iterator[Objects]:
    """A server with a dump."""
    with hurried_server() as found:
        found.of |= {"bkt/run/step_1.safetensors": DUMP, "bkt/other.npz": b"no dump"}
        yield found


@pytest.mark.parametrize(
    ("argv", "wrong", "code", "line"),
    [
        ("ls s3://bkt/run/step_1.safetensors", "", 0, ""),
        ("stats s3://bkt/run --connections 2 --timeout 5", "", 0, ""),
        ("stats s3://bkt/*/step_*", "", 0, ""),
        ("stats s3://bkt/none", "", 3, "s3://bkt/none: does not exist"),
        ("stats s3://nob/g.npz", "", 3, "s3://nob: no such bucket"),
        ("stats s3://bkt/other.npz", "", 3, "s3://bkt/other.npz: is none of"),
        ("stats s3://bkt/run/step_1.safetensors", "403", 3, "may not be read (403); check AWS_ACCESS_KEY_ID and what"),
        ("stats s3://bkt/run/step_1.safetensors", "no range", 3, "sends whole files only"),
        ("stats SERVER/bkt/none.npz?X-Amz-Signature=unspoken", "", 3, "none.npz?…: does not exist"),
        ("stats s3://key:unspoken@bkt/g.npz", "", 2, "credentials in the environment"),
        ("stats http://example.com/g.npz", "", 2, "is not encrypted"),
        ("stats s3://bkt/run --connections 0", "", 2, "--connections"),
        ("stats s3://bkt/run --timeout 0", "", 2, "Error: --timeout must be above 0"),
        ("stats s3://bkt/**", "", 2, "s3://bkt/**: ** is not known"),
        ("diff s3://bkt/run/** s3://bkt/run", "", 2, "s3://bkt/run/**: ** is not known"),
        ("show s3://bkt/run/*_1.*", "", 0, ""),
        ("stats s3://bkt/run --anonymous", "403", 3, "and AWS_SECRET_ACCESS_KEY, and leave out --anonymous"),
        ("apply s3://bkt/run/step_1.safetensors -o s3://bkt/out.npz -s none", "", 0, ""),
        ("apply s3://bkt/run/step_1.safetensors -o s3://bkt/other.npz -s none", "", 5, "exists; give --overwrite"),
        ("apply s3://bkt/run/step_1.safetensors -o s3://bkt/run/ -s none", "", 5, "run/step_1.safetensors: is the input itself"),
        ("apply s3://bkt/run/step_1.safetensors -o s3://nob/ -s none", "", 5, "s3://nob: no such bucket"),
        ("report s3://bkt/run -o s3://bkt/new/", "", 5, "s3://bkt/new/: ends in a slash, as folders do; give a file name"),
        ("apply s3://bkt/run/step_1.safetensors -o s3://nob/g.npz -s none", "", 5, "s3://nob: no such bucket"),
        ("report s3://bkt/run -o s3://bkt/other.npz", "", 5, "exists; give --overwrite"),
        ("report s3://bkt/run -o s3://bkt/run/step_1.safetensors --overwrite", "", 5, "is an input; write elsewhere"),
        ("apply s3://bkt/run -o s3://bkt/other.npz/ -s none", "", 5, "s3://bkt/other.npz/: is a file; give a directory"),
        ("ls --files-from s3://bkt/other.npz", "", 2, "'--files-from': s3://bkt/other.npz is not on this machine"),
        ("stats s3://bkt/run --config s3://bkt/other.npz", "", 2, "'--config': s3://bkt/other.npz is not on this machine"),
        ("report s3://bkt/run --figures hf://me/n/x", "", 2, "can only be read"),
        ("apply s3://bkt/run/step_1.safetensors -o hf://me/n/g.npz -s none", "", 2, "can only be read"),
    ],
)  # fmt: skip
def test_lines_and_exit_codes(server: Objects, run: Run, argv: str, wrong: str, code: int, line: str) -> None:
    """Each error is one line that says what to do; nothing is left in the store of an output that failed."""
    server.wrong = lambda asked: wrong
    result = run(*argv.replace("SERVER", server.url).split())
    assert (result.code, line in result.err) == (code, True), result.err
    assert "unspoken" not in result.out + result.err
    if code:
        assert result.err.count("Error: ") == 1
        assert "Debug" not in result.err
        assert set(server.of) == {"bkt/run/step_1.safetensors", "bkt/other.npz"}
    assert server.uploads == {}


def test_a_report_is_written_to_a_store(server: Objects, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page and the figures become objects, under the title of the run's name."""
    monkeypatch.setattr(page, "page", lambda report, scripts: f"{report.title}\n")
    monkeypatch.setattr(page, "figures", lambda report, format: dict.fromkeys(PICTURES, b"drawn"))
    result = run("report", "s3://bkt/run/", "-o", "s3://bkt/page.html", "--figures", "s3://bkt/paper")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert server.of["bkt/page.html"] == b"run\n"
    assert {name for name in server.of if name.startswith("bkt/paper/")} == {
        f"bkt/paper/{name}.svg" for name in PICTURES
    }


def test_what_comes_next_asks_in_the_same_way(server: Objects) -> None:
    """The command that is proposed repeats the options for remote files, and has no secret of a URL."""
    for step in range(2, 14):
        server.of[f"bkt/run/step_{step}.safetensors"] = save({"w": np.array([3, step], np.float32)})
    command = gradclip_cli.stats("s3://bkt/run", connections=2, anonymous=True, timeout=5.0).command
    assert command.startswith("gradclip apply s3://bkt/run ")
    assert command.endswith("--connections 2 --anonymous --timeout 5 --dry-run")
    signed = [f"{server.url}/bkt/run/step_{step}.safetensors?sig=unspoken" for step in range(1, 14)]
    assert gradclip_cli.stats(signed).command.startswith("gradclip apply FILE... ")
    assert gradclip_cli.show(signed[0]).command == ""


def test_in_place(server: Objects, run: Run) -> None:
    """An object is replaced by its own name, once all of it is written; what can only be read is refused before anything is read."""
    result = run("apply", "s3://bkt/run/step_1.safetensors", "--in-place", "-t", "1")
    assert result.code == 0, result.err
    assert server.of["bkt/run/step_1.safetensors"] != DUMP
    assert np.allclose(load(server.of["bkt/run/step_1.safetensors"])["w"], [0.6, 0.8])
    server.asked.clear()
    result = run("apply", f"{server.url}/bkt/run/step_1.safetensors", "--in-place", "-t", "1")
    assert (result.code, "can only be read" in result.err) == (2, True), result.err


def test_an_output_goes_into_a_folder(server: Objects, run: Run) -> None:
    """A URL that ends in a slash takes one file in, as a directory that is there does, whether there is such a folder or not."""
    for folder in ("new/", "new/", "run/old/", ""):
        argv = ["apply", "s3://bkt/run/step_1.safetensors", "-o", f"s3://bkt/{folder}", "-s", "none", "-q"]
        result = run(*argv, "--overwrite")
        assert result.code == 0, result.err
        assert server.of.get(f"bkt/{folder}step_1.safetensors") is not None


def test_who_may_write_need_not_read(server: Objects, run: Run, tmp_path: Path) -> None:
    """Without the right to look, an output is replaced where that was asked for, and refused where it must be new."""
    here = tmp_path / "g.safetensors"
    here.write_bytes(DUMP)
    server.wrong = lambda asked: "403" if asked.method in ("GET", "HEAD") else ""
    argv = ["apply", str(here), "-o", "s3://bkt/new.npz", "-s", "none", "-q"]
    assert (run(*argv).code, "bkt/new.npz" in server.of) == (5, False)
    assert (run(*argv, "--overwrite").code, "bkt/new.npz" in server.of) == (0, True)


def test_keys_of_all_kinds(server: Objects, run: Run) -> None:
    """Blanks, `%`, `#`, `?` and letters beyond ASCII are part of a key, in listings, patterns and outputs."""
    names = [f"step_{step} %41 ü#+.safetensors" for step in (1, 2)]
    server.of |= {f"bkt/a b%/{name}": DUMP for name in names} | {"bkt/a b%/what?.safetensors": DUMP}
    assert all(name in run("ls", "s3://bkt/a b%").out for name in names)
    assert run("stats", "s3://bkt/a b%/what?.safetensors").code == 0
    assert run("stats", "s3://bkt/a b%/step_*").out.startswith("s3://bkt/a b%/ ")
    assert run("apply", "s3://bkt/a b%/step_*", "-o", "s3://bkt/öut %41/", "-t", "1", "-q").code == 0
    assert {name for name in server.of if "ut" in name} == {f"bkt/öut %41/{name}" for name in names}
    assert run("stats", f"{server.url}/bkt/a%20b%25/step_1%20%2541%20%C3%BC%23%2B.safetensors").code == 0


SIGNED = [
    "ls URL", "ls URL -f json", "ls URL --by param", "stats URL -f json", "stats URL -f csv", "stats URL --by all", "show URL",
    "show URL -f json", "check URL", "check URL -f json", "diff URL URL", "diff URL URL -f ndjson", "apply URL -o out -t 1",
    "apply URL -o out -t 1 -f json", "apply URL -o out -t 1 --print-config", "stats URL --include none", "apply URL -o URL -t 1",
]  # fmt: skip


@pytest.mark.parametrize("argv", SIGNED)
def test_secrets_of_a_url_are_not_shown(
    server: Objects, run: Run, argv: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature, and a user with a password, are sent, and are in no report, note, line or file of options."""
    monkeypatch.chdir(tmp_path)
    signed = server.url.replace("://", "://me:unspoken@") + "/bkt/run/step_1.safetensors?X-Amz-Signature=unspoken"
    result = run(*argv.replace("URL", signed).replace("out", "out.safetensors").split())
    assert "unspoken" not in result.out + result.err
    assert result.code in (0, 2), result.err


def test_inputs_are_asked_for_side_by_side(server: Objects, run: Run) -> None:
    """Several files are looked for at the same time, and each is asked for once; a folder and wildcards are no such files."""
    names = [f"bkt/four/step_{k}.safetensors" for k in range(4)]
    server.of |= dict.fromkeys(names, DUMP)
    together = threading.Barrier(4, timeout=10)

    def wait(asked: Asked) -> str:
        together.wait()
        return ""

    server.lock = nullcontext()  # type: ignore[assignment]  # under which the requests would come one after the other
    server.wrong = wait
    result = run("stats", "-f", "json", *(f"s3://{name}" for name in names))
    assert (result.code, result.err) == (0, "")
    assert sorted(asked.name for asked in server.asked) == names
    server.wrong, server.asked = lambda asked: "", []
    assert run("stats", "-f", "json", "s3://bkt/four*/step_?.safetensors", "s3://bkt/run/").code == 0
    assert not any("?" in asked.name or asked.name.endswith("run/") for asked in server.gets())


def test_logs(server: Objects, run: Run) -> None:
    """Logs of norms are read from a store as dumps are, each by itself or in a folder."""
    server.of["bkt/log.csv"] = b"step,grad_norm\n" + b"".join(b"%d,%d.5\n" % (step, step) for step in range(1, 9))
    server.of["bkt/tb/trainer_state.json"] = (
        b'{"log_history": [{"step": 1, "grad_norm": 0.5}, {"step": 2, "grad_norm": 1.5}]}'
    )
    for argv in ("s3://bkt/log.csv", "s3://bkt/tb/trainer_state.json"):
        result = run("stats", argv, "-f", "json")
        assert result.code == 0, result.err
        assert '"source": "log"' in result.out
    assert run("check", "s3://bkt/run", "--baseline", "s3://bkt/log.csv").code in (0, 1)
    for command in ("stats", "check"):
        result = run(command, "s3://bkt/log.csv", "--scheduler", "tcp://h:1")
        assert (result.code, "--scheduler is for gradients" in result.err) == (2, True)


def test_a_full_directory_for_temporary_files(server: Objects) -> None:
    """An output of a store that does not fit where it is kept until it is complete is an error in one line; nothing is sent."""
    server.of["bkt/big.safetensors"] = save({"w": np.zeros(1 << 20, np.float32)})
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    limited = f"{limit}\nfrom gradclip_cli.__main__ import main\nmain()"
    argv = ["apply", "s3://bkt/big.safetensors", "-o", "s3://bkt/out.safetensors", "-s", "none"]
    result = subprocess.run([sys.executable, "-c", limited, *argv], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.count("\n")) == (5, 1), result.stderr
    assert "s3://bkt/out.safetensors" in result.stderr
    assert "TMPDIR" in result.stderr
    assert (server.uploads, "bkt/out.safetensors" in server.of) == ({}, False)


def test_anonymous_requests_carry_no_signature(server: Objects, run: Run) -> None:
    """--anonymous signs nothing, and needs no keys."""
    assert run("ls", "s3://bkt/run/step_1.safetensors", "--anonymous").code == 0
    assert server.asked
    assert not any("authorization" in asked.headers for asked in server.asked)


def started(argv: list[str], until: Callable[[], bool]) -> "subprocess.Popen[str]":
    """The command as a process that has come as far as it should."""
    process = subprocess.Popen(
        [*GRADCLIP, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    end = time.monotonic() + 60
    while not until():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    return process


@pytest.mark.parametrize(("wrong", "requests"), [("stall", 1), ("503", 3)])
def test_ctrl_c_while_it_waits(server: Objects, wrong: str, requests: int) -> None:
    """A signal ends a run at once that waits for a server which does not answer, or to try again."""
    server.wrong = lambda asked: wrong
    process = started(["stats", "s3://bkt/run/step_1.safetensors"], lambda: len(server.asked) >= requests)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGINT, 130)
    assert time.monotonic() - before < 10


def test_a_signal_during_an_upload_leaves_no_part(server: Objects) -> None:
    """What was sent of an output is dropped when a signal ends the run; nothing is seen of it."""
    server.of["bkt/big.safetensors"] = save({f"w{k}": np.zeros(1 << 20, np.float32) for k in range(12)})

    def slowly(asked: object) -> str:
        if "partNumber" in getattr(asked, "query", {}):
            time.sleep(0.2)  # each part, one after the other; six are under way at the signal, which waits 3 seconds
        return ""

    server.wrong = slowly
    argv = ["apply", "s3://bkt/big.safetensors", "-o", "s3://bkt/out.safetensors", "-s", "none", "-q"]
    process = started(argv, lambda: any(asked.query.get("partNumber") for asked in server.asked))
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (-signal.SIGTERM, "")
    assert (server.uploads, "bkt/out.safetensors" in server.of) == ({}, False)


@pytest.mark.heavy
def test_a_signal_late_in_the_commit(server: Objects) -> None:
    """Outputs that are put in place together are all put in place before a signal ends the run, and a line says so."""
    large = save({f"w{k}": np.zeros(1 << 20, np.float32) for k in range(2)})
    server.of |= {f"bkt/big/step_{step}.safetensors": large for step in (1, 2)}

    def slowly(asked: Asked) -> str:
        if is_last(asked):
            time.sleep(0.3)
        return ""

    def is_last(asked: Asked) -> bool:
        return asked.method == "POST" and "uploadId" in asked.query

    server.wrong = slowly
    argv = ["apply", "s3://bkt/big/", "-o", "s3://bkt/out/", "-s", "none", "-q"]
    process = started(argv, lambda: any(map(is_last, server.asked)))
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == -signal.SIGINT
    assert {name for name in server.of if "/out/" in name} == {f"bkt/out/step_{step}.safetensors" for step in (1, 2)}
    names = ", ".join(f"s3://bkt/out/step_{step}.safetensors" for step in (1, 2))
    assert said == f"note: interrupted, but all 2 outputs are in place: {names}\n"


def test_local_work_does_not_import_obstore(tmp_path: str) -> None:
    """A dump on this machine is measured without the library of remote ones."""
    script = "import sys, gradclip_cli; gradclip_cli.stats(sys.argv[1]); print('obstore' in sys.modules)"
    path = f"{tmp_path}/g.safetensors"
    with open(path, "wb") as file:
        file.write(DUMP)
    assert (
        subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )
