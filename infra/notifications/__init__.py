"""What waits or breaks is told to people by e-mail and to programs by webhook."""
