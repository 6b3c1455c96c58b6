"""What `evals` does in the background."""
