"""Executors run tasks on many items at once: on threads, or on worker processes where these are faster.

`base` is what a pass needs to know of them, `choice` the executor of a call. Nothing here knows tensors or dumps.
"""
