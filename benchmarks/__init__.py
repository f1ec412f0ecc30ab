"""How fast and how small: ``python -m benchmarks``; ratios to other tools in the same run."""
