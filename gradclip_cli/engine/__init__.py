"""Passes over elements: split, measure, rewrite and compare tensors piece by piece, on an `Executor`.

A new pass is a module with a task for one piece and what merges the results; a new way to run tasks is an `Executor`.
"""
