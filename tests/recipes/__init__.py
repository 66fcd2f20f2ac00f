"""Gradients saved from training loops of other frameworks: each module is a program that the documentation shows.

`python FILE FOLDER` trains a few steps, saves the gradients of each into the folder, and prints the step and the norm of its
gradients as the framework takes it. `make recipes` runs those whose framework is installed.
"""
