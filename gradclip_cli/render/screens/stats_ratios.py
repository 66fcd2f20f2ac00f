"""Show the norms of gradients over those of weights on the screen of `stats`, and which blocks have the largest."""

from collections.abc import Iterator

from gradclip_cli.render.screens.folding import wrapped
from gradclip_cli.render.screens.line import Line, aligned, line, strong
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import figure, layer_name
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.thresholds.samples import median

MOST = 4
"""The most blocks that are shown."""

_USUAL = "1e-3"
"""The update ratio that people look for."""


def lines(report: StatsReport, room: Room) -> Iterator[Line]:
    """Yield the ratio of the whole, and the blocks whose ratios are the largest; nothing without weights."""
    ratios = [dump.ratio for dump in report.dumps if dump.ratio is not None]
    if not any(dump.weight_norm is not None for dump in report.dumps):
        return
    if not ratios:
        yield line("|g| / |w|   no ratio is finite")
        return
    usual = median(ratios)
    whole = f"|g| / |w|   median {figure(usual)}   max {figure(max(ratios))}"
    if report.lr is not None:
        update = figure(report.lr * usual)
        whole += f"   update {update} (usual: {_USUAL})"
    yield from wrapped(whole, room)
    known = sorted((row for row in report.blocks if row.ratio is not None), key=lambda row: -(row.ratio or 0.0))
    shown = known[: room.most(MOST)]
    if len(known) < 2:
        return
    names = [layer_name(row.block, report.labels) for row in shown]
    names = names if room.whole else shortened(names, max(16, room.width // 2), room.mark)
    heads = [f"{report.block_noun}s by ratio", "|w|", "|g| / |w|", *(["update"] if report.lr is not None else [])]
    rows = [
        [
            name,
            figure(row.weight_norm),
            figure(row.ratio),
            *([figure(row.update_ratio)] if report.lr is not None else []),
        ]
        for name, row in zip(names, shown, strict=True)
    ]
    yield from aligned([list(map(strong, heads)), *rows], [False, True, True, True][: len(heads)])
