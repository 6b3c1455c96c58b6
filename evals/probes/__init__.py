"""Probes: experiments on a finding, one change of the prompt at a time. Pure."""
