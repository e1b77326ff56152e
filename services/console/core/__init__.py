"""The pure part of the console: what is known now, and the arithmetic of coverage. No I/O, no clock."""
