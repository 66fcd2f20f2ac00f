"""Small trainings with planted faults: which rules of `check` find them, and which cry at healthy ones."""
