"""What `releases` does in the background."""
