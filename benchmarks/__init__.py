"""How fast and how small: ``python -m benchmarks``, ratios measured in one run beside other tools."""
