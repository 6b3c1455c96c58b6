"""Runs the product's processes: starts them in order, heals them, stops them."""
