"""Retention: seals recorded chunks into write-once segments, accounts for every second, and finds footage again.

Belongs here: consuming the record stream, the ledger, gaps, the archive of readings and incidents, listing, exporting and
checking footage. Does not belong here: decoding, judging, or telling people (``analyze``, ``console``).
"""
