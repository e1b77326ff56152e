"""Adapters for one institution's box: SQLite, a directory, key files. A product, not a mock."""
