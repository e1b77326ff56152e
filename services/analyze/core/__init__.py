"""Pure logic of the analysis: numbers and records in, numbers and commands out. No I/O, threads, clocks or decoders."""
