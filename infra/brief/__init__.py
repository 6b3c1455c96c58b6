"""The brief: what one person should know this morning, gathered once and shown by every shell."""
