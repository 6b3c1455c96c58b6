"""How a run's items are called, graded and stored, whatever dies on the way."""
