"""The single box: the command line's root, and the launcher that runs every service on the embedded backbone.

Belongs here: choosing a command, starting and supervising the services of one machine, the first-run configuration.
Does not belong here: the work of any service; a command that reads an installation lives in the room that owns the data.
"""
