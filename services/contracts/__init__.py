"""What the services say to each other: record types, topics, ids, time, policy types.

Belongs here: every type that crosses a service boundary, its wire form, and the checks that make a
value of it trustworthy. Does not belong here: I/O of any kind, media arithmetic, behaviour of one
service. Import the modules (``from services.contracts import topics``), not this package.
"""
