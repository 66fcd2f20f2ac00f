"""From what a user typed to opened dumps: discovery, layouts, names of layers, selection; headers only, never an element.

A layout is a module in `layouts/` and a line in its registry; a `DumpSource` is made once, and `OpenDump` is what opens it.
"""
