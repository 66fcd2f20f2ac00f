"""The numbers of the norm as tables and in a sentence."""

import math
from pathlib import Path

from support.log_reports import SPIKES, drawn, log_report

from gradclip_cli.render.html.norm import picture

NAN, INF = math.nan, math.inf


def test_says_and_tables_have_the_main_figures(tmp_path: Path) -> None:
    """The sentence has the median, the largest and what explodes; the tables have the norms and what thresholds clip."""
    found = drawn(picture(log_report(tmp_path / "log.csv", [*SPIKES, NAN, 0.0])))
    assert "median 1.1, largest 14, 1 not finite; 2 steps explode" in found.says
    norms, often, effects = found.tables
    assert norms.rows[20] == ("20", "14", "explodes")
    assert norms.rows[40] == ("40", "-", "not finite")
    assert norms.rows[41] == ("41", "0", "zero")
    assert sum(int(row[-1]) for row in often.rows) == 40
    assert all(len(row) == len(effects.heads) for row in effects.rows)
