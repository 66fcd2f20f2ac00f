"""The public functions, one in each module: make a plan from keywords, run it in the pipeline, and return its report.

The command line calls them too, so that an option means the same in both; nothing else makes plans. To add an option, add a
keyword here and an option of the same name there.
"""
