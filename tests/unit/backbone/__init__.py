"""The backbone without any I/O but small files."""
