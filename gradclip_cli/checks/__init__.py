"""What may be wrong with a series, without numpy until it is looked for.

A new check is a pure function from figures to findings in a file of its own, its limits and its name in `limits`, and a line
in `registry`.
"""
