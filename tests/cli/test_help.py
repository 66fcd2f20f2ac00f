"""Help teaches: its examples run, and what is mistyped is answered by what was perhaps meant."""

import ast
import re
import shlex
import shutil
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
import safetensors.numpy
from docs.places import SAMPLES
from docs.session import in_process, is_plain
from support.command import Run
from support.shell import furnish, shell

from gradclip_cli.cli import COMMANDS, EXIT_CODES, GROUPS, main
from gradclip_cli.cli.topics import TOPICS

HELP = [[], *([name] for name in COMMANDS)]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show help as a terminal of 80 columns does."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("command", HELP, ids=lambda command: " ".join(command) or "gradclip")
@pytest.mark.usefixtures("plain")
def test_every_example_runs(command: list[str], run: Run, tmp_path: Path) -> None:
    """Each example of every command runs as it is in a folder that holds the sample dumps, and warns of nothing."""
    examples = re.findall(r"^ +(gradclip .*)$", run(*command, "--help").out, re.MULTILINE)
    assert len(examples) == (3 if command else 2)
    for number, example in enumerate(examples):
        folder = tmp_path / str(number)
        folder.mkdir()
        furnish(folder)
        shutil.copytree(SAMPLES, folder / "sample_data")
        code, errors = outcome(example, folder)
        assert code in ((0, 1) if re.match(r"gradclip (check|diff)", example) else (0,)), errors
        assert not errors


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("plain")
def test_help_ends_with_examples(command: str, run: Run) -> None:
    """The last lines of a command's help, the short one and the whole one, are its three examples on sample_data/."""
    for option in ("--help", "--help-all", "-h"):
        if command == "help" and option == "--help-all":
            continue  # it has no rare options
        *_, head, one, two, three = run(command, option).out.splitlines()
        assert head == "Examples:"
        assert all(line.startswith(f"  gradclip {command}") for line in (one, two, three))
        assert all("sample_data/" in line for line in (one, two, three)) or command in ("cache", "strategies", "help")


@pytest.mark.parametrize(("command", "most"), [((), 30), *(((name,), 50) for name in COMMANDS)])
@pytest.mark.usefixtures("plain")
def test_help_is_short(command: tuple[str, ...], most: int, run: Run) -> None:
    """The help of the program has at most 30 lines of 80 columns, that of a command at most 50 (examples are not cut)."""
    lines = run(*command, "--help").out.splitlines()
    assert len(lines) <= most
    assert [line for line in lines if len(line) > 80 and not line.startswith("  gradclip ")] == []


@pytest.mark.usefixtures("plain")
def test_commands_stand_in_groups(run: Run) -> None:
    """The help of the program lists each command once, in the groups Look, Change and Know."""
    text = run("--help").out
    found = re.findall(r"^(\w+):\n((?:  .*\n)+)", text, re.MULTILINE)
    names = {group: re.findall(r"^  (\w+)  ", lines, re.MULTILINE) for group, lines in found if group != "Options"}
    assert list(names) == ["Look", "Change", "Know"]
    assert [name for group in names.values() for name in group] == list(COMMANDS)
    assert sorted(COMMANDS) == sorted(name for group in GROUPS.values() for name in group)
    assert names["Change"] == ["apply"]


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"help"}))
@pytest.mark.usefixtures("plain")
def test_rare_options_stand_behind_help_all(command: str, run: Run) -> None:
    """The short help leaves out input, norm and layers, limits and run, says so, and --help-all has every option once."""
    context = main.make_context("gradclip", [], resilient_parsing=True)
    found = main.get_command(context, command)
    assert found is not None
    every = {
        option
        for one in found.params
        if isinstance(one, click.Option) and not one.hidden
        for option in (*one.opts, *one.secondary_opts)
    }
    short, whole = run(command, "--help").out, run(command, "--help-all").out
    assert set(options_in(whole)) == every
    assert len(options_in(whole)) == len(every)
    assert set(options_in(short)) < every
    assert "--no-color" not in options_in(short)
    assert re.search(
        rf"^More: gradclip {command} --help-all( \((input|norm|limits|run|[ a-z,])+\))?$", short, re.MULTILINE
    )
    heads = re.findall(r"^(\w[\w ]*):$", short, re.MULTILINE)
    assert set(heads) <= {"What to do", "What is counted", "View", "Examples"}


def options_in(text: str) -> list[str]:
    """Return the options that a help lists."""
    lines = re.findall(r"^  (-.*?)(?:  |$)", text, re.MULTILINE)
    return [word.rstrip(",") for line in lines for word in line.split() if word.startswith("-")]


@pytest.mark.parametrize("command", HELP, ids=lambda command: " ".join(command) or "gradclip")
@pytest.mark.usefixtures("plain")
def test_the_help_command_shows_the_same(command: list[str], run: Run) -> None:
    """`gradclip help COMMAND` shows what `gradclip COMMAND --help` shows."""
    assert run("help", *command) == run(*command, "--help")


@pytest.mark.parametrize("topic", ["exit-codes", "Exit_Codes", "exitcodes"])
def test_exit_codes_are_a_topic(topic: str, run: Run) -> None:
    """`gradclip help exit-codes` lists all exit codes, however it is spelled, and the help of the program says so."""
    found = re.findall(r"^ +(\d+)  (.*)$", run("help", topic).out, re.MULTILINE)
    assert {int(code): meaning for code, meaning in found} == EXIT_CODES
    assert "gradclip help exit-codes" in run("--help").out


def test_topics_list_themselves(run: Run) -> None:
    """`gradclip help topics` names every topic, and each has a page."""
    assert re.findall(r"^  (\S+)", run("help", "topics").out, re.MULTILINE) == list(TOPICS)
    assert all(run("help", topic).code == 0 for topic in TOPICS)


def test_rules_are_a_topic(run: Run) -> None:
    """`gradclip help rules` names every rule."""
    text = run("help", "rules").out
    assert all(f"  {name}" in text for name in ("mean", "median", "percentile:90", "mad:5", "zscore:3", "zclip:2.5"))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        *[("dmp", "dump"), ("aply", "apply"), ("exit-cods", "exit-codes"), ("xyzzy", "")],
        *[("threshold", "stats"), ("dtypes", "ls")],  # words of the lines on them
    ],
)
def test_an_unknown_topic_is_wrong_usage(name: str, near: str, run: Run) -> None:
    """What is neither a command nor a topic is answered by what is near, and by all there is."""
    result = run("help", name)
    assert (result.code, result.out) == (2, "")
    said = result.err.splitlines()[-1]
    assert (f"did you mean {near}?" in said) == bool(near)
    assert "commands are stats, " in said
    assert "topics are dump, " in said


def test_help_all_of_the_program(run: Run) -> None:
    """`gradclip --help-all` is its help, then all topics and all exit codes."""
    text = run("--help-all").out
    assert text.startswith(run("--help").out)
    assert all(f"  {name}" in text for name in (*COMMANDS, *TOPICS))
    assert all(f"{code}  {meaning}" in text for code, meaning in EXIT_CODES.items())


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        ("stats", "total, block, kind, layer, param, step or all, or by layer,step, block,step or kind,step together"),
        ("apply", "total, block, kind, layer, param, step or all"),
        ("check", "finding or all"),
        ("diff", "step, block, param or all"),
        ("ls", "block, param or all"),
        ("show", "total, block, kind, param, bin or all"),
        ("strategies", ""),
    ],
)
def test_by_names_the_kinds_that_a_command_has(command: str, kinds: str, run: Run) -> None:
    """The help of --by, and what it says of an unknown kind, list what this command has and nothing else."""
    text = " ".join(run(command, "--help").out.split())
    found = re.search(r"--by KIND Show tables instead of one screen: by (.*?) \(repeatable\)", text)
    assert (found[1] if found else "") == kinds
    if kinds:
        names = kinds.partition(", or by")[0].replace(" or ", ", ")
        assert f"'foo' is none of {names}; --by is repeatable" in run(command, "a", "--by", "foo").err


@pytest.mark.parametrize(
    "option", ["--max-norm", "--max_norm", "--clip", "--clip-norm", "--max_grad_norm", "--clipvalue"]
)
def test_what_frameworks_call_a_threshold(option: str, run: Run) -> None:
    """An option under the name that a framework has for it is wrong usage, which says that it is -t."""
    result = run("apply", "g.safetensors", option, "1", "--dry-run")
    assert result.code == 2
    assert result.err.splitlines()[-1] == f"Error: No such option '{option}': the threshold is -t VALUE, as in -t 1."
    assert "-t VALUE" not in run("stats", "g.safetensors", option, "1").err


def test_only_a_name_that_is_near_is_suggested(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two letters in common are no likeness."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "opt").mkdir()
    assert run("stats", "nope").err == "Error: nope: does not exist; check the path\n"
    assert run("stats", "otp").err == "Error: otp: does not exist; did you mean opt?\n"


def blocks() -> list[str]:
    """Return the pieces of code on the page on dumps."""
    page = TOPICS["dump"][1]()
    return [dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", page, re.MULTILINE)]


def test_the_page_on_dumps_is_short_and_is_code() -> None:
    """It has fewer than 70 lines of 80 columns, and six pieces of code that Python takes."""
    lines = TOPICS["dump"][1]().splitlines()
    assert len(lines) < 70
    assert max(map(len, lines)) < 80
    assert len([ast.parse(block) for block in blocks()]) == 6


def test_the_pytorch_code_writes_gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code for PyTorch writes what `backward` left, under the names of the parameters; frozen ones are not there."""
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    model[0].bias.requires_grad_(False)
    model(torch.ones(4, 3)).sum().backward()
    names: dict[str, Any] = {}
    exec(blocks()[3], names)
    names["dump"](model, 42)
    found = safetensors.numpy.load_file("run/step_000042.safetensors")
    assert sorted(found) == ["0.weight", "1.bias", "1.weight"]
    assert found["1.bias"].tolist() == [4.0]


def test_the_loop_with_capture_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first piece of code captures the first step of a loop."""
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    names = {"model": torch.nn.Linear(3, 2), "data": [torch.ones(4, 3)] * 3, "loss": lambda out: out.sum()}
    exec(blocks()[0], names)
    names["capture"].close()
    assert [path.name for path in Path("run").iterdir()] == ["step_00000000.safetensors"]


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
    context = main.make_context("gradclip", [], resilient_parsing=True)
    found = main.get_command(context, command[0]) if command else main
    assert found is not None
    assert (found.help or "").split("\n")[0].endswith(".") or not command
    for param in found.params:
        text = getattr(param, "help", "") or ""
        assert param.param_type_name == "argument" or re.search(r"(\.|\])$", text), param.name


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
