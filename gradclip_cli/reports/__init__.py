"""What each command found, as plain data that knows its schema: a module a command; the fields have the names of the JSON's keys.

A new figure is a field; a new kind of row is a class, and a line in `gradclip_cli.__init__` where users may name it.
"""
