"""The public functions, a module each: keywords become a plan, the pipeline does it, and a report comes back.

The command line calls these too, so that an option means the same in both; nothing else makes plans. A new option is a keyword
here and an option of the same name there.
"""
