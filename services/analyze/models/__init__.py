"""Models that ship with the product, and the registry that says which files it accepts."""
