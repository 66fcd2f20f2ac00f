"""What may be wrong with a series, without numpy until it is looked for.

A new check is a pure function from figures to findings in a file of its own, its name here, its limits in `limits`, and a line in
`registry`.
"""

NAMES = ("nonfinite", "exploding", "vanishing", "dead", "unchanged", "dominated", "underflow", "spread")
"""The checks, in the order in which their findings are shown."""
