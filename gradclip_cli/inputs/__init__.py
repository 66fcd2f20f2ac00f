"""Turn the paths that a user typed into open dumps: discovery, layouts, names of layers, selection. Reads headers only.

A `DumpSource` is made once, and only `OpenDump` opens it. To add a layout, write a module in `layouts/` and add a line to its
registry.
"""
