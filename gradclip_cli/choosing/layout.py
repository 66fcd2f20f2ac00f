"""What the dumps of a series have in common, and what is kept of each."""

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gradclip_cli.choosing.samples import Sample, lengths, sums
from gradclip_cli.engine.same_tensors import Shapes, shapes_of, unlike
from gradclip_cli.engine.survey import Dump
from gradclip_cli.errors import InputError
from gradclip_cli.inputs import shards
from gradclip_cli.inputs.naming import Place
from gradclip_cli.numerics import norms
from gradclip_cli.plan.stats import StatsPlan
from gradclip_cli.reports import StatsDump, StatsParam
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import listed
from gradclip_cli.thresholds.summary import Summary

_DIFFER = "give --allow-missing to go on with what all dumps share, or --shards if these are the files of ranks"


class Layout(NamedTuple):
    """What all dumps of a series have in common: their tensors, in the order of the first dump's layers."""

    specs: list[TensorSpec]
    shapes: Shapes
    places: list[Place]
    layers: list[str]
    starts: list[int]  # where the tensors of each layer begin; one more at the end
    labels: dict[str, str]
    notes: list[str]
    shared: bool  # whether other dumps may have more tensors than these

    @classmethod
    def of(cls, dump: Dump, shared: set[str] | None = None) -> "Layout":
        """Take the layout from a dump; of its tensors only those `shared` by all dumps, where that is asked for."""
        left = [] if shared is None else [name for name in dump.named if name not in shared]
        notes = [*dump.notes, *([f"left out, since not in all dumps: {listed(left)}"] if left else [])]
        shapes = {name: shape for name, shape in shapes_of(dump).items() if shared is None or name in shared}
        firsts = [dump.named[name][0] for name in shapes]
        places = [dump.places[k] for k in firsts]
        sizes = Counter(place.layer for place in places)
        starts = np.cumsum([0, *sizes.values()]).tolist()
        specs = [dump.tensors[k] for k in firsts]
        return cls(specs, shapes, places, list(sizes), starts, dump.labels, notes, shared is not None)

    def sample(self, dump: Dump, plan: StatsPlan) -> Sample:
        """Reduce a dump to its norms; raise InputError where its tensors, or their shapes, are not those of the first."""
        types, p = sums(plan), plan.norm.type
        params = dump.stats.merge_groups(self._of(dump), types)
        layers = params.merge_groups([range(a, b) for a, b in pairwise(self.starts)], types)
        total = params.total(types)
        line = StatsDump(
            shards.shown(dump.path, dump.path),
            dump.step,
            total.as_read(norms.norm(total.powers[0], p)),
            total.as_read(total.max_abs),
            total.nonfinite,
        )
        by_layer, by_param = (stats.as_read(stats.norms(0, p)) for stats in (layers, params))
        more = lengths(total, layers, params, types) if plan.tries else None
        return Sample(line, by_layer, by_param, params.as_read(params.max_abs), more)

    def _of(self, dump: Dump) -> list[list[int]]:
        """Return the tensors of a dump that are in all dumps, or else raise InputError."""
        what = "" if self.shared else unlike(self.shapes, dump)
        if what or not dump.named.keys() >= self.shapes.keys():
            raise InputError(f"{what or 'changed while it was read'}; {_DIFFER}", path=dump.path)
        return [dump.named[name] for name in self.shapes]

    def param(self, k: int, summary: Summary) -> StatsParam:
        """The row of a tensor."""
        spec, place = self.specs[k], self.places[k]
        return StatsParam(spec.name, place.layer, place.param, self.shapes[spec.name], spec.dtype.name, summary)

    def groups(self, strategy: Strategy) -> list[tuple[str, str | None]]:
        """Return the layer of each group of a strategy that has several, and the name where it is one tensor."""
        if strategy.group is Group.LAYER:
            return [(layer, None) for layer in self.layers]
        return [(place.layer, spec.name) for spec, place in zip(self.specs, self.places, strict=True)]
