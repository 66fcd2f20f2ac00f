"""Options from the environment and from a file, and the file that reproduces a command."""

import tomllib
from pathlib import Path

import pytest
from support.command import Run

SHOWN = ("-f", "json", "--dry-run")


@pytest.mark.parametrize(
    ("variables", "argv"),
    [
        ({"STRATEGY": "clip-by-norm", "THRESHOLD": "0.5"}, ["-s", "clip-by-norm", "-t", "0.5"]),
        ({"STRATEGY": "none", "LAYER": "lstm=clip-by-norm:1 head=:2"}, None),
        ({"STRATEGY": "none", "EXCLUDE": "lstm.* step*"}, ["-s", "none", "--exclude", "lstm.*", "--exclude", "step*"]),
        ({"STRATEGY": "clip-by-norm", "THRESHOLD": "1", "NORM_TYPE": "inf"}, "-s clip-by-norm -t 1 --norm-type inf"),
    ],
    ids=["strategy", "wrong", "repeatable", "norm type"],
)
def test_options_come_from_the_environment(
    variables: dict[str, str], argv: list[str] | str | None, network: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GRADCLIP_COMMAND_OPTION does what the option does; spaces separate the values of one that is repeatable."""
    said = run("apply", network, *SHOWN, *(argv.split() if isinstance(argv, str) else argv or ()))
    for name, value in variables.items():
        monkeypatch.setenv(f"GRADCLIP_APPLY_{name}", value)
    result = run("apply", network, *SHOWN)
    if argv is None:
        assert (result.code, "none takes no threshold" in result.err) == (2, True)
    else:
        assert result == said
        assert result.code == 0


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_flags_come_from_the_environment(value: str, network: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag is set by a true value and left by a false one."""
    monkeypatch.setenv("GRADCLIP_APPLY_QUIET", value)
    assert run("apply", network, "--dry-run", "-s", "none").out == ""
    monkeypatch.setenv("GRADCLIP_APPLY_QUIET", "0")
    assert run("apply", network, "--dry-run", "-s", "none").out != ""


def test_who_wins(network: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line wins over the environment, that over the file, and that over the default."""
    Path("c.toml").write_text('strategy = "clip-by-norm"\nthreshold = 1\nepsilon = 0.25')

    def printed(*argv: str) -> dict[str, object]:
        return tomllib.loads(run("apply", "--config", "c.toml", "--print-config", *argv).out)

    assert (printed()["threshold"], printed()["epsilon"]) == (1.0, 0.25)
    monkeypatch.setenv("GRADCLIP_APPLY_THRESHOLD", "2")
    assert (printed()["threshold"], printed()["epsilon"]) == (2.0, 0.25)
    assert printed("-t", "3")["threshold"] == 3.0


CALLS = [
    ["-s", "none"],
    ["-s", "ClipByNorm", "-t", "percentile:90.123456789", "--norm-type", "inf", "--epsilon", "1e-6"],
    ["-s", "clip-by-norm", "-t", "inf", "--layer", "lstm=clip-by-value:0.1", "--layer", "head=:mad:3.5"],
    ["-s", "none", "--layer", "l*=clip-by-norm:1e-300", "--nonfinite", "skip", "--include", "l*", "--include", "head*"],
    ["-s", "clip-by-norm", "-t", "mean", "--columns", "name,factor", "--sort", "name:desc", "--top", "2"],
    ["-s", "clip-by-norm", "-t", "0.1", "-f", "csv", "--no-headers", "-j", "2", "--no-color", "--group-depth", "1"],
    ["-s", "none", "--dry-run", "-f", "json"],
    ["-s", "none", "-q", "--output-format", "npz", "--overwrite", "--allow-huge"],
    ["-s", "none", "--layer-regex", r"(?P<layer>.*)\.(?P<param>.*)"],
]


@pytest.mark.parametrize("argv", CALLS, ids=" ".join)
def test_what_is_printed_does_the_same(argv: list[str], network: Path, run: Run) -> None:
    """The file of --print-config makes a call do what the options did, and prints itself again."""
    printed = run("apply", *argv, "--print-config")
    assert (printed.code, printed.err) == (0, "")
    Path("x.toml").write_text(printed.out, encoding="utf-8")
    assert run("apply", "--config", "x.toml", "--print-config").out == printed.out
    options = run("apply", network, "-o", "out.safetensors", *argv)
    written = Path("out.safetensors").read_bytes() if Path("out.safetensors").exists() else None
    Path("out.safetensors").unlink(missing_ok=True)
    file = run("apply", network, "-o", "out.safetensors", "--config", "x.toml")
    assert file == options
    assert options.code == 0
    assert (Path("out.safetensors").read_bytes() if Path("out.safetensors").exists() else None) == written


def test_only_what_differs_is_printed(run: Run) -> None:
    """Defaults are left out, also where they were given, and so is what says where to read and to write."""
    argv = ["nosuch", "--in-place", "--files-from", "nosuch", "-0", "-s", "none", "-f", "table", "--nonfinite", "error"]
    assert run("apply", *argv, "--print-config").out == 'strategy = "none"\n'


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "\x7f\x1b\t", "größe 😀", "'''", "a=b", "[x]", "", "\u2028"])
def test_any_text_is_valid_toml(name: str, run: Run) -> None:
    """Whatever stands in a pattern, the file is valid TOML and holds it."""
    printed = run("apply", "-s", "none", "--include", name, "--layer", f"x{name}=clip-by-norm:1", "--print-config")
    assert printed.code == 0
    found = tomllib.loads(printed.out)
    assert found["include"] == [name]
    assert found["layer"][0]["pattern"] == f"x{name}"


def test_bytes_that_are_no_text_are_refused(run: Run) -> None:
    """A name that is no Unicode text is refused rather than written wrongly."""
    assert run("apply", "-s", "none", "--include", "\udcff", "--print-config").code == 2


def test_what_contradicts_itself_is_not_printed(run: Run) -> None:
    """Options that do not fit together are wrong usage with --print-config too."""
    assert run("apply", "-s", "clip-by-norm", "--print-config").code == 2


@pytest.mark.parametrize(("command", "text"), [("stats", 'rule = "median"'), ("check", 'ignore = ["dead,spread"]')])
def test_other_commands_read_a_file(command: str, text: str, network: Path, run: Run) -> None:
    """`stats` and `check` take --config as `apply` does."""
    key, _, _ = text.partition(" = ")
    option = tomllib.loads(text)[key]
    Path("c.toml").write_text(text)
    said = run(command, network, f"--{key}", option if isinstance(option, str) else option[0], "-f", "json")
    assert run(command, network, "--config", "c.toml", "-f", "json") == said
    assert said.code in (0, 1)
    assert said != run(command, network, "-f", "json") or command == "check"


@pytest.mark.parametrize(
    ("text", "code"), [("threshold = " + "9" * 5000, 3), ("[[layer]]\npattern = 'lstm'\nthreshold = 1" + "0" * 400, 2)]
)
def test_a_number_beyond_all_others(text: str, code: int, network: Path, run: Run) -> None:
    """A number in the file that no float64 holds, or not even Python reads, is said in one line."""
    Path("clip.toml").write_text(text)
    found = run("apply", network, "--dry-run", "-s", "clip-by-norm", "-t", "1", "--config", "clip.toml")
    assert (found.code, found.err.splitlines()[-1][:7]) == (code, "Error: ")
