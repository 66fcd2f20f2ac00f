"""Help teaches: its examples run, and what is mistyped is answered by what was perhaps meant."""

import re
import shlex
from pathlib import Path

import pytest
from docs.session import in_process, is_plain
from support.command import Run
from support.shell import furnish, shell

from gradclip_cli.cli import COMMANDS, EXIT_CODES

HELP = [[], *([name] for name in COMMANDS)]


@pytest.mark.parametrize("command", HELP, ids=lambda command: " ".join(command) or "gradclip")
def test_every_example_runs(command: list[str], run: Run, tmp_path: Path) -> None:
    """Every command has examples, and each of them runs in a folder that holds dumps of those names."""
    examples = re.findall(r"^ +(gradclip .*)$", run(*command, "--help").out, re.MULTILINE)
    assert examples
    for number, example in enumerate(examples):
        folder = tmp_path / str(number)
        folder.mkdir()
        furnish(folder)
        code, errors = outcome(example, folder)
        assert code in ((0, 1) if re.match(r"gradclip (check|diff)", example) else (0,)), errors
        assert not errors


def outcome(example: str, folder: Path) -> tuple[int, str]:
    """Run an example, in this process where no shell has to do anything for it; return its exit code and its errors."""
    if is_plain(example):
        shown = in_process(shlex.split(example, comments=True)[1:], folder)
        return shown.code, shown.errors
    done = shell(example, folder)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", HELP, ids=lambda command: " ".join(command) or "gradclip")
def test_help_is_a_sentence(command: list[str], run: Run) -> None:
    """Help says what a command does, and every option has a text that ends with a full stop or its default."""
    from gradclip_cli.cli import main

    context = main.make_context("gradclip", [], resilient_parsing=True)
    found = main.get_command(context, command[0]) if command else main
    assert found is not None
    assert (found.help or "").split("\n")[0].endswith(".") or not command
    for param in found.params:
        text = getattr(param, "help", "") or ""
        assert param.param_type_name == "argument" or re.search(r"(\.|\])$", text), param.name


def test_exit_codes_stand_in_the_help(run: Run) -> None:
    """The help lists all exit codes."""
    found = re.findall(r"^ +(\d+)  (.*)$", run("--help").out, re.MULTILINE)
    assert {int(code): meaning for code, meaning in found} == EXIT_CODES


MISTYPED = {
    "aply g.safetensors": "apply",
    "stat g.safetensors": "stats",
    "apply g.safetensors -s clip-by-nrm --dry-run": "clip-by-norm",
    "apply g.safetensors -s ClipL2PerLayr --dry-run": "clip-l2-per-layer",
    "apply g.safetensors -s none --dryrun": "--dry-run",
    "apply g.safetensors -s clip-by-norm -t percentil:9 --dry-run": "percentile",
    "apply g.safetensors -s none --layer decodr=clip-by-norm:1 --dry-run": "decoder",
    "apply g.safetensors -s none --config bad.toml": "nonfinite",
    "stats g.safetensors --rule meen": "mean",
    "check g.safetensors --ignore ded": "dead",
    "ls g.safetensors --columns nme": "name",
    "ls g.safetensors --sort shap:desc": "shape",
    "ls g.safetensors --include decoder.wieght": "decoder.weight",
    "ls g.safetensor": "g.safetensors",
    "stats steps/step3.npz": "step2.npz|step1.npz|step0.npz",
}
"""What is mistyped, and what is perhaps meant."""


@pytest.mark.parametrize("argv", MISTYPED)
def test_did_you_mean(argv: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not known is answered by the nearest one that is."""
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text('non_finite = "skip"')
    result = run(*argv.split())
    assert result.code in (2, 3)
    assert re.search(rf"did you mean '?({MISTYPED[argv]})\b", result.err.splitlines()[-1], re.IGNORECASE)


def test_what_is_like_nothing_is_answered_by_what_there_is(run: Run) -> None:
    """A command that is like none is answered by the list of commands."""
    assert all(name in run("xyzzy").err for name in COMMANDS)


def test_names_from_files_are_escaped_when_suggested(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suggestion from a file or a folder is untrusted text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g\x1b[31m.npz").touch()
    result = run("ls", "g[31m.npz")
    assert result.code == 3
    assert "did you mean g\\x1b[31m.npz?" in result.err
