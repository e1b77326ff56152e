"""Pure media arithmetic: access units, CMAF boxes, GOPs, timelines, the hash chain and its verification.

Belongs here: functions and step machines over bytes and integers. Does not belong here: I/O of any kind, clocks,
threads, PyAV, decoding, knowledge of topics or stores. Import the modules (``from services.media import nal``).

    source bytes -> nal -> access_unit -> muxer (timestamps, run_writer, cmaf_writer, chain) -> media records
    media records -> cmaf_reader (samples), segment (objects and exports), verify (verdicts)
"""
