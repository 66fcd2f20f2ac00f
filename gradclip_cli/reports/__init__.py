"""What each command found, as plain data that knows its schema; the fields have the names of the JSON's keys.

A new report is a named tuple with a `schema` and its `scopes` in a module here, a line in `render/tables/arrange.py`, and one in
`gradclip_cli.__init__` where users may name it.
"""
