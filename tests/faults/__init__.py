"""What a run leaves behind when the system fails it: errors and kills at system calls, limits, signals, files that change."""
