"""Pure decisions of retention: when a segment is cut, what is quarantined, where a gap begins and ends.

Belongs here: ``step(state, event) -> (state, commands)`` and arithmetic on spans. Does not belong here: asyncio, threads,
clocks, files, SQL; time arrives in the events.
"""
