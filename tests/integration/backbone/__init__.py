"""The backbone with real processes, logs and databases."""
