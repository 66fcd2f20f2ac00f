"""Train with faults and with two learning rates, and hold the tables of the docs: `make gallery`; `--write` writes them."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import gradclip_cli
from gallery import rates
from gallery.faults import FAULTS, SEEDS
from gallery.training import Fault, train
from gradclip_cli.checks import NAMES
from gradclip_cli.inputs.naming import block_of

DOCS = Path(__file__).parents[2] / "docs"
START, END = "<!-- gallery -->\n", "<!-- end of gallery -->\n"


def main(write: bool) -> int:
    """Return 0 if the tables of the docs are those that are found now."""
    with tempfile.TemporaryDirectory(prefix="gradclip-gallery-") as folder:
        found = {fault.name: [_rules(fault, seed, Path(folder)) for seed in SEEDS] for fault in FAULTS}
        tables = {
            DOCS / "reference" / "rules-on-planted-faults.md": "".join(_table(found)),
            DOCS / "how-to" / "is-my-learning-rate-too-high.md": "".join(rates.table(Path(folder))),
        }
    others = [_is_other(page, table, write) for page, table in tables.items()]
    return int(any(others) and not write)


def _is_other(page: Path, table: str, write: bool) -> bool:
    """Return whether a page has another table; with `write`, give it this one."""
    print(table)
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(START)
    now = f"{head}{START}{table}{END}{rest.partition(END)[2]}"
    if write:
        page.write_text(now, encoding="utf-8")
    return now != text


def _rules(fault: Fault, seed: int, root: Path) -> Mapping[str, bool]:
    """Return the rules that speak of a training, each with whether it names the block where the fault is."""
    folder = root / fault.name.replace(" ", "-") / str(seed)
    losses = train(fault, seed, folder)
    findings = gradclip_cli.check(folder).findings
    rules = Counter(one.rule for one in findings)
    origins = [one for one in findings if one.rule == "nonfinite"][:1]  # where it began; the others only follow
    named = {(one.rule, block_of(one.layer or "")) for one in findings if one.rule != "nonfinite" or one in origins}
    print(f"{fault.name}, seed {seed}: loss {losses[0]:.2f} to {losses[-1]:.2f}; {dict(rules)}", file=sys.stderr)
    return {rule: fault.where is None or (rule, fault.where) in named for rule in rules}


def _table(found: Mapping[str, Sequence[Mapping[str, bool]]]) -> Iterator[str]:
    """Yield the lines of the table: faults in rows, rules in columns."""
    rules = [rule for rule in NAMES if any(rule in one for runs in found.values() for one in runs)]
    yield f"| fault | verdict | {' | '.join(rules)} |\n| :--- | :--- | {' | '.join('---:' for _ in rules)} |\n"
    for fault in FAULTS:
        runs = found[fault.name]
        cells = (_cell(fault, rule, runs) for rule in rules)
        yield f"| {fault.name} | {_verdict(fault, runs)} | {' | '.join(cells)} |\n"


def _verdict(fault: Fault, runs: Sequence[Mapping[str, bool]]) -> str:
    """Say in how many of the runs the fault was found where it is, or in how many a rule spoke that should not."""
    if not fault.expected:
        false = sum(bool(run) for run in runs)
        return "silent" if not false else f"**false alarm** in {false} of {len(runs)}"
    hits = sum(any(run.get(rule) for rule in fault.expected) for run in runs)
    return (
        f"found in {hits} of {len(runs)}" if hits == len(runs) else f"**missed** in {len(runs) - hits} of {len(runs)}"
    )


def _cell(fault: Fault, rule: str, runs: Sequence[Mapping[str, bool]]) -> str:
    times = sum(rule in run for run in runs)
    if rule in fault.expected:
        return f"**{times}**"
    return str(times) if times else ""


if __name__ == "__main__":
    raise SystemExit(main("--write" in sys.argv[1:]))
