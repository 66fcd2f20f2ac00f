"""The use cases: each takes a plan, does the work and returns a report, without click and without printing.

To add a command, add a plan, a flow and a report here that import no other command, a function in `pipeline` and in `api`, and
a module in `cli`.
"""
