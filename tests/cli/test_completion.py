"""Completion in shells, by the scripts that they are given."""

import os
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest
from support.command import Run, Save
from support.folders import memory_folder
from support.memory_store import memory_store
from support.shell import furnish, shell

from gradclip_cli import ls
from gradclip_cli.cli import COMMANDS, completion
from gradclip_cli.cli.shells import quoted, typed
from gradclip_cli.strategies import STRATEGIES
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES
from gradclip_cli.thresholds.rules import RULES

BREAKS = " \t\n\"'><=;|&(:"
NAMES = [strategy.name for strategy in STRATEGIES]
ODD = [
    "a b.w", "it's.w", "$HOME.w", "star*.w", "br[0].w", 'q"q.w', "back\\slash.w", "`id`.w", "x;y.w", "eq=eq.w",
    "co:lon.w", "ünï.w", "~til.w", "bang!.w", "#hash.w", "com,ma.w", "(p).w", "a&b.w", "a|b.w", "{x,y}.w", "q?.w",
]  # fmt: skip
"""Names that a shell would read something into."""

COMPLETE = """
eval "$SCRIPT"
compopt() { printf 'compopt %s\\n' "$*"; }
COMP_LINE=$LINE COMP_POINT=${#LINE}
_gradclip_completion gradclip
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


@cache
def bash_script() -> str:
    """Return what bash is given once, when it starts."""
    with memory_folder() as folder:
        return shell("gradclip", folder, _GRADCLIP_COMPLETE="bash_source").stdout


def completed(line: str, folder: Path) -> list[str]:
    """Return what bash is offered for a line."""
    done = shell(COMPLETE, folder, SCRIPT=bash_script(), LINE=line, COMP_WORDBREAKS=BREAKS)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


OFFERED = {
    "gradclip ": list(COMMANDS),
    "gradclip app": ["apply"],
    "gradclip help d": ["diff", "dump"],
    "gradclip ls --js": ["--json"],
    "gradclip ls --ste": ["--step", "--steps"],
    "gradclip ls --help": ["--help", "--help-all"],
    "gradclip apply -s ": NAMES,
    "gradclip apply -s clip-l2": ["clip-l2-per-layer", "clip-l2-per-param-type"],
    "gradclip apply -s ClipL2": ["clip-l2-per-layer", "clip-l2-per-param-type"],
    "gradclip apply --strategy=no": ["none"],
    "gradclip apply --thr": ["--threshold"],
    "gradclip apply -t m": [str(rule) for rule in (*RULES, *ADAPTIVE_RULES) if str(rule).startswith("m")],
    "gradclip stats --rule percentile:": ["90"],
    "gradclip apply -t zclip:2.5,mo": ["2.5,mode=percentile", "2.5,mode=zscore"],
    "gradclip stats --try skip-o": ["skip-olmo:6"],
    "gradclip stats --by la": ["layer"],
    "gradclip check --ignore dead,sp": ["dead,spread"],
    "gradclip apply g.npz --layer ": ["decoder=", "lstm="],
    "gradclip apply g.safetensors --layer d": [f"decoder={name}" for name in NAMES],
    "gradclip apply after.h5 --layer lstm=no": ["none"],
    "gradclip apply after.h5 --layer 'lstm=no": ["lstm=none"],
    "gradclip apply steps --layer lstm=clip-by-global-norm:zs": ["zscore:3"],
    "gradclip apply --layer lstm=no": ["none"],
    "gradclip apply --layer 'decoder*=no": ["decoder*=none"],
    "gradclip apply --layer ": [],
    "gradclip apply nosuch.npz --layer ": [],
    "gradclip apply - --layer ": [],
    "gradclip apply --group-depth 1 g.npz --layer d": [f"decoder={name}" for name in NAMES],
    "gradclip apply g.npz --exclude 'lstm*' --layer ": [f"decoder={name}" for name in NAMES],
    "gradclip ls g.npz --include de": ["decoder.weight", "decoder.bias"],
    "gradclip diff a.npz b.npz --exclude=ls": ["lstm.weight_ih_l0"],
    "gradclip ls text.npz --include ": [],
    "gradclip ls g": ["compopt -o default"],
    "gradclip apply --config ": ["compopt -o default"],
    "gradclip stats run --try clip-by-global-norm:ma": ["mad:5"],
    "gradclip stats run --try clip-by-g": ["clip-by-global-norm"],
    "gradclip apply -t z": ["zscore:3", "zclip:2.5"],
}
"""What is typed, and what may come next."""


@pytest.fixture
def furnished(tmp_path: Path) -> Path:
    """Fill a folder with dumps, and one file that is none."""
    furnish(tmp_path)
    (tmp_path / "text.npz").write_text("no dump")
    return tmp_path


@pytest.mark.parametrize("line", OFFERED)
def test_what_bash_is_offered(line: str, furnished: Path) -> None:
    """Commands, options, names of the registries and of the dumps on the line are offered, and nothing else is written."""
    assert sorted(completed(line, furnished)) == sorted(OFFERED[line])


@pytest.mark.parametrize("quote", ["", "'", '"'], ids=["bare", "single", "double"])
def test_odd_names_are_safe_in_bash(quote: str) -> None:
    """What is put into a line is read by bash as the very pattern that matches the name and nothing else."""
    script = "\n".join(f"printf '%s\\n' {quote}{quoted(name, quote)}{quote}" for name in ODD)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == [*ODD, ""]


def test_a_completed_name_chooses_its_tensor(save: Save, tmp_path: Path) -> None:
    """Every name of a dump that is offered chooses that tensor, as bash reads it; what does not print is never offered."""
    names = [name.replace("/", ".") for name in ODD]
    path = save("g.npz", **{name: [1.0] for name in [*names, "new\nline.w", "esc\x1b[31m.w"]})
    offered = completed("gradclip ls g.npz --include ", tmp_path)
    read = shell(f"printf '%s\\n' {' '.join(offered)}", tmp_path).stdout.splitlines()
    chosen = [[row.name for row in ls(path, include=[word]).tensors] for word in read]
    assert [found for found in chosen if len(found) != 1] == []
    assert sorted(name for [name] in chosen) == sorted(names)


SPLIT = {
    "gradclip ls 'a b' c\\ d": (["gradclip", "ls", "a b"], "c d", "", 0),
    "gradclip ls ": (["gradclip", "ls"], "", "", 0),
    'gradclip ls "a\\"b': (["gradclip", "ls"], 'a"b', '"', 0),
    "gradclip ls ''": (["gradclip", "ls"], "", "", 0),
    "gradclip x=y:z": (["gradclip"], "x=y:z", "", 4),
    "gradclip 'x=y:z": (["gradclip"], "x=y:z", "'", 0),
    "gradclip x='y": (["gradclip"], "x=y", "'", 2),
}
"""A line; its words, the one that is begun, the quote that is open, and how much of it bash keeps."""


@pytest.mark.parametrize("line", SPLIT)
def test_lines_are_split_as_bash_does(line: str) -> None:
    """A line is cut where bash cuts it, and the open quote is known."""
    found = typed(line, BREAKS)
    assert (found.words, found.word, found.quote, found.kept) == SPLIT[line]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(name: str, tmp_path: Path) -> None:
    """Each shell gets a script of its own, which it can read."""
    done = shell("gradclip", tmp_path, _GRADCLIP_COMPLETE=f"{name}_source")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_GRADCLIP_COMPLETE={name}_complete" in done.stdout
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    subprocess.run([program, "-n" if name != "fish" else "--no-execute"], input=done.stdout, text=True, check=True)


def test_clicks_own_protocol(furnished: Path) -> None:
    """zsh and fish hand over words and a number, as click's scripts do; fish names may hold commas."""
    variables = {"COMP_WORDS": "gradclip apply g.npz --layer 'de", "COMP_CWORD": "4"}
    zsh = shell("gradclip", furnished, _GRADCLIP_COMPLETE="zsh_complete", **variables)
    assert zsh.stdout.split("\n")[1::3] == [f"decoder={name}" for name in NAMES]
    variables |= {"COMP_CWORD": "de"}
    fish = shell("gradclip", furnished, _GRADCLIP_COMPLETE="fish_complete", **variables)
    assert fish.stdout.splitlines() == [f"plain,decoder={name}" for name in NAMES]
    assert "--max 1" in shell("gradclip", furnished, _GRADCLIP_COMPLETE="fish_source").stdout


@pytest.mark.parametrize("config", ["nosuch.toml", "text.npz"])
def test_no_error_reaches_the_terminal(config: str, furnished: Path) -> None:
    """Whatever is wrong with the line so far, nothing is written to standard error."""
    assert completed(f"gradclip apply --config {config} -t x -s nosuch --layer x=no", furnished) == ["none"]


QUICK = """
import os, sys
from gradclip_cli.__main__ import run
sys.argv = ["gradclip", *sys.argv[1:]]
try:
    run()
except SystemExit:
    pass
os.write(1, repr([name for name in ("numpy", "h5py", "rich") if name in sys.modules]).encode())
"""


@pytest.mark.parametrize(
    "argv", ["--help", "apply --help", "strategies", "gradclip ap", "gradclip apply -s cl", "gradclip apply --layer "]
)
def test_help_and_completion_import_nothing_heavy(argv: str, tmp_path: Path) -> None:
    """The help, and completion where no dump is on the line, start as fast as click does: no numpy, no h5py, no rich."""
    typed = argv.startswith("gradclip")
    variables = {"_GRADCLIP_COMPLETE": "bash_complete", "COMP_LINE": argv} if typed else {}
    script = f"{shlex.quote(sys.executable)} -c {shlex.quote(QUICK)} {'' if typed else argv}"
    assert shell(script, tmp_path, **variables).stdout.endswith("[]")


def test_completion_is_off_without_its_variable(run: Run) -> None:
    """Without the variable that asks for completion the command just runs."""
    assert "_GRADCLIP_COMPLETE" not in os.environ
    assert run("strategies").code == 0


def test_a_url_is_not_completed_from(furnished: Path) -> None:
    """Nothing is asked of the network while somebody types."""
    with memory_store() as store:
        store.files["memory://b/g.npz"] = (furnished / "g.npz").read_bytes()
        for path, offered in ((str(furnished / "g.npz"), True), ("memory://b/g.npz", False)):
            context = click.Context(click.Command("ls"))
            context.args = [path]
            assert bool(completion.tensors(context, "")) is offered
