"""The analysis service: chunk → decode → detect → track → judge rules → incidents; sensor rules beside it.

Belongs here: everything between a record of ``video.detect.v1`` or ``sensor.v1`` and a record of ``incident.v1``, and the
models it needs. Does not belong here: what becomes of an incident (retention archives it, the console delivers it),
recording, drawing rooms.
"""
