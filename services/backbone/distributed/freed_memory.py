"""Keeping freed memory for the next batch instead of giving it back to the kernel after each.

A record of megabytes is copied several times on its way to a broker (batch, request, frame), and glibc returns every such
copy to the kernel as soon as it is freed: the next one is paged in anew, which costs more than copying and sums. Belongs
here: telling the allocator. Does not belong here: how much is under way at once (``kafka_log_appender``), which bounds it.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

#: <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
#: The most that glibc allows; larger blocks are mapped and unmapped each.
_MAPPED_FROM_BYTES = 32 * 1024 * 1024
KEPT_BYTES = 128 * 1024 * 1024


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Have this process keep up to ``KEPT_BYTES`` of freed memory; whether its allocator could be told."""
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is None:  # not glibc
        return False
    return bool(tell(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)) and bool(tell(_M_TRIM_THRESHOLD, KEPT_BYTES))
