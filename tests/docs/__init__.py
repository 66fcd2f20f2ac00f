"""The papers of the project: what they take from the program, and the proof that every example in them runs."""
