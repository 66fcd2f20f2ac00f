"""The five use cases: plan, work, report; no click, no printing."""
