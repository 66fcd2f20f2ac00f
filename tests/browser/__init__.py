"""Pages of reports in a real browser, which `make browser` brings."""
