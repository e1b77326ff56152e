"""Decisions of the agent as pure steps: no asyncio, threads, clocks, sockets, PyAV or SQL. Time arrives in arguments."""
