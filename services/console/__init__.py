"""The console: the page a person looks at, and the HTTP API behind it.

Belongs here: showing cameras, incidents, coverage and gaps; enrolling cameras; who may see what. Does not belong here:
judging (``analyze``) and recording (``retention``). ``core/`` is pure; ``queries.py`` holds every statement.
"""
