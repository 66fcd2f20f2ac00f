"""The screen of `check`: a verdict, a line for each rule and run of blocks, and the cure once a rule."""

from gradclip_cli.render.screens.check import lines
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.reports.check import CheckReport, Finding, FirstRise
from gradclip_cli.text import ranges
from unit.render.screens.test_check_problems import finding

PIPE = Room(whole=True)


def report(findings: list[Finding], first: FirstRise | None = None) -> CheckReport:
    """Return a report on ten dumps."""
    return CheckReport(findings, 10, [], [], first)


def screen(findings: list[Finding], room: Room = PIPE, first: FirstRise | None = None) -> list[str]:
    """Return the lines of a screen as text."""
    return [text_of(line) for line in lines(report(findings, first), room)]


VANISHING = [finding(f"model.layers.{k}", advice="skip connections", worst=0.1 - k / 100) for k in range(3)]
BROKEN = finding(
    "head", rule="nonfinite", step=5, steps=[(5, 5)], dumps=1, limit=0, brief="1 NaN of 4", advice="a log of 0"
)
EXPLODING = finding(None, rule="exploding", step=4, steps=[(4, 4)], dumps=1, worst=9.0, brief="norm 9", advice="clip")


def test_nothing_is_wrong() -> None:
    """Without findings the verdict is all there is."""
    assert screen([]) == ["no findings in 10 dumps"]


def test_what_could_not_be_judged() -> None:
    """So short a series is not told as sound; with findings it has a line of its own."""
    short = report([])._replace(dumps=4, unjudged="explosions not judged, which takes 5")
    assert [text_of(line) for line in lines(short, PIPE)] == [
        "no findings in 4 dumps; explosions not judged, which takes 5"
    ]
    found = [text_of(line) for line in lines(short._replace(findings=[BROKEN]), PIPE)]
    assert found[-2:] == ["", "4 dumps: explosions not judged, which takes 5 (--exploding-dumps)"]
    nothing = report([])._replace(gradients=False)
    assert [text_of(line) for line in lines(nothing, PIPE)] == ["no gradient in 10 dumps: nothing was checked"]


def test_blocks_that_rose_first_are_told_once() -> None:
    """The findings of the block that rose first, up to the explosion, are the story that stands there already."""
    first = FirstRise(4, 3, "x", ["h.17"], [7.4])
    before = finding("h.17", rule="exploding", step=3, steps=[(3, 4)], dumps=2, brief="norm 5.387", advice="clip")
    assert screen([EXPLODING, before], first=first)[2:] == [
        " exploding  whole dump  step 4  norm 9",
        "            first h.17 at step 3, 7.4 x its usual norm",
        "            clip",
        "",
        "2 findings in full: --by finding",
    ]
    later = before._replace(steps=[(3, 3), (9, 9)])
    assert any(" h.17 " in line and "steps 3, 9" in line for line in screen([EXPLODING, later], first=first))
    other = before._replace(block="h.3")
    assert any(" h.3 " in line for line in screen([EXPLODING, other], first=first))


def test_a_finding_shown_in_full_has_no_hint() -> None:
    """Where each finding has a line there is nothing more to see."""
    assert not any("--by finding" in line for line in screen([BROKEN, EXPLODING]))


def test_dumps_without_a_step_are_named_by_their_file() -> None:
    """A dump that has no number is called by its file, and so is the one in which a block rose first."""
    lone = EXPLODING._replace(step=None, steps=[], input="run/delta.npz")
    first = FirstRise(None, None, "run/gamma.npz", ["h.17"], [7.4])
    assert screen([lone], first=first)[2:4] == [
        " exploding  whole dump  delta.npz  norm 9",
        "            first h.17 in gamma.npz, 7.4 x its usual norm",
    ]


def test_a_long_verdict_is_folded() -> None:
    """The line of rules fits a narrow terminal, too."""
    many = [
        finding("h.0", rule=rule) for rule in ("nonfinite", "vanishing", "dead", "dominated", "underflow", "spread")
    ]
    found = screen(many, Room(60))
    assert found[0] == "6 problems in 10 dumps: nonfinite, vanishing, dead,"
    assert found[1] == "    dominated, underflow, spread"


def test_a_problem_a_line() -> None:
    """Each problem has a line, in columns; the cure stands once below the problems of its rule."""
    assert screen([BROKEN, *VANISHING]) == [
        "2 problems in 10 dumps: nonfinite, vanishing",
        "",
        " nonfinite  head              1 tensor   step 5  w: 1 NaN of 4",
        "            a log of 0",
        " vanishing  model.layers.0-2  3 tensors  always  at worst mean |g| 0.1",
        "            skip connections",
        "",
        "4 findings in full: --by finding",
    ]


def test_a_narrow_terminal() -> None:
    """What does not fit beside a problem stands under it, folded; names are shortened, but never in their digits."""
    long = "mean |g| 0.1, which is far below all that was ever seen before"
    found = screen([one._replace(brief=long, block=f"transformer.{one.block}") for one in VANISHING], Room(48))
    assert found[2:7] == [
        " vanishing  t….m….layers.0-2  3 tensors  always",
        "            at worst mean |g| 0.1, which is far",
        "            below all that was ever seen before",
        "            skip connections",
        "",
    ]
    assert max(map(len, found)) <= 48


def test_what_rose_first() -> None:
    """What rose first stands with the explosion that it led to; nothing is said where all rose together."""
    first = FirstRise(4, 3, "x", ["h.17", "h.18"], [7.4, 3.1])
    assert screen([EXPLODING], first=first)[2:5] == [
        " exploding  whole dump  step 4  norm 9",
        "            first h.17, h.18 at step 3, 7.4 x their usual norm",
        "            clip",
    ]
    assert screen([EXPLODING], first=first._replace(names=[], times=[]))[3] == "            clip"


def test_the_largest_are_shown() -> None:
    """Of many problems eight are shown, at least one of each rule; the others are counted."""
    dead = [finding(f"layer{chr(97 + k)}", rule="dead", dumps=k + 1, steps=[(0, k)]) for k in range(10)]
    found = screen([*dead, *VANISHING])
    shown = [line.split()[-6] for line in found if "tensor " in line]
    assert "3 more lines, and 13 findings in full: --by finding" in found
    assert len(shown) == 7
    assert any("model.layers.0-2" in line for line in found)
    assert not any("layera " in line for line in found)


def test_styles() -> None:
    """What breaks a run is marked as bad, the rest as a warning, and a rule is named once."""
    heads = [line[1] for line in lines(report([BROKEN, *VANISHING]), PIPE) if len(line) > 3]
    assert [(span.text, span.style) for span in heads] == [("nonfinite", "bad"), ("vanishing", "warn")]


def test_many_blocks_are_one_line() -> None:
    """Three hundred blocks that all vanish are one line."""
    found = screen([finding(f"h.{k}") for k in range(300)])
    assert found[2] == f" vanishing  h.{ranges(range(300))}  300 tensors  always  mean |g| 0.1"


def test_where_it_comes_from() -> None:
    """Where elements are not finite in several tensors, it is told once in which they began."""
    where = "step 5: NaN in 2 of 3 tensors; head.w is the last of them"
    found = screen([BROKEN._replace(cause=where), BROKEN._replace(block="h.0", layer="h.0")])
    assert found[2:6] == [
        " nonfinite  head  1 tensor  step 5  w: 1 NaN of 4",
        "            h.0   1 tensor  step 5  w: 1 NaN of 4",
        f"            {where}",
        "            a log of 0",
    ]
