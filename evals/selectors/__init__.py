"""Reads over suites, runs, scores and comparisons."""
