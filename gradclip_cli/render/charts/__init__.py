"""Draw norms as charts: `data` computes them, `characters` draws them. A new chart is a function in each."""
