"""Hold the results of each command as plain data that knows its schema; fields are named like the keys of the JSON.

A new report is a named tuple with a `schema` and its `scopes` in a module here, a line in `render/tables/arrange.py`, and one in
`gradclip_cli.__init__` where users may name it.
"""
