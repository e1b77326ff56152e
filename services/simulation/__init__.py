"""Drawn rooms with exact ground truth: a source for the agent, a bench for the rules.

Belongs here: what a room looks like at an instant, who is where, what its door and thermometer say; all of it a pure
function of room, seed and time. Does not belong here: encoding, files, sockets, clocks (the agent and the box have those).
"""
