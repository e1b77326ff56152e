"""Rules: typed, pure, ``step(state, event) -> (state, commands)``. One module per entry of the incident taxonomy.

A rule knows nothing of cameras' names, logs or clocks: it says *open*, *update*, *close*, *wake me at*; ``core.incidents`` makes
records of that. ``RULES_VERSION`` changes whenever any rule would judge the same facts differently.
"""

from __future__ import annotations

RULES_VERSION = "2026.11.1"
