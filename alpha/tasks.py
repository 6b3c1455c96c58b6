"""What `alpha` does in the background."""
