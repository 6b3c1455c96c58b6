"""Probes: designed, reviewed pair by pair, run as ordinary runs, rated where people judge,
concluded."""
