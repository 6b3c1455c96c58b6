"""Search over everything that has a name or an id, for palette, page and API alike."""
