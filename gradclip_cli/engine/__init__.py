"""Passes over elements: split, measure, rewrite and compare tensors piece by piece, on an `Executor`.

To add a pass, write a module with a task for one piece and a function that merges the results. To run tasks in another way,
implement `Executor` (`executors.base`).
"""
