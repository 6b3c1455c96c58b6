"""Every change of suites, runs and comparisons."""
