"""The use cases: each makes a plan, does the work and returns a report; no click, no printing."""
