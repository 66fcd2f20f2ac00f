"""The use cases: each makes a plan, does the work and returns a report; no click, no printing.

A new command is a plan, a flow and a report here that know no other command, a function in `pipeline` and one in `api`, and
a module in `cli`.
"""
