"""Every Prometheus metric of every service: its name, its unit, what it means and what to do about it.

Names begin with ``kanhu_``, then the room; units stand in names. Labels are bounded sets only (a camera, an operation, a
kind of error), never a run, a key or a message. New metrics are appended to the section of their room.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, Info

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# --- Every service ---------------------------------------------------------------------------------------------------

#: Which program this is. Several versions at once for longer than a roll-out: a roll-out hangs.
BUILD = Info("kanhu_build", "service and version of this process")

#: 1 while a named condition of /readyz holds. 0 for minutes: read its detail at /readyz; that dependency is away.
READY = Gauge("kanhu_ready", "1 while this condition of readiness holds", ["condition"])

#: Attempts at opening the backbone that failed and were repeated. Rising: the server named in the log line is away.
STARTUP_RETRIES = Counter("kanhu_startup_retries_total", "failed attempts to open the backbone")

#: Records that could not be read and went to dead-letter.v1. Any increase: look at the newest dead letter; a producer is
#: of another version, or something was damaged on the way.
DEAD_LETTERS = Counter("kanhu_dead_letters_total", "records sent to dead-letter.v1", ["topic"])

# --- backbone: log ---------------------------------------------------------------------------------------------------

#: How long appends take until they are durable. p99 over 1 s: the disk or the broker is slow; agents will soon spool.
LOG_APPEND_SECONDS = Histogram("kanhu_log_append_seconds", "duration of appends to the log", buckets=_LATENCY_S)

#: Failed appends by kind of error. transient: the log is away, locked or full; rejected: a record too large or no topic.
LOG_APPEND_ERRORS = Counter("kanhu_log_append_errors_total", "failed appends to the log", ["kind"])

#: Records whose stored bytes are not what was appended; skipped, and dead letters where possible. Any: check the disk.
LOG_DAMAGED = Counter("kanhu_log_damaged_records_total", "records of the log that could not be read back", ["topic"])

#: Bytes of an embedded log (the log, a spool). Near the limit: a consumer is behind or gone (an unused group holds records back).
LOG_USED_BYTES = Gauge("kanhu_log_used_bytes", "bytes of an embedded log in files and database", ["directory"])

# --- backbone: object store ------------------------------------------------------------------------------------------

#: How long operations of the object store take. p99 of put over 5 s: the store is slow; recorders will soon pause.
STORE_SECONDS = Histogram(
    "kanhu_store_seconds", "duration of object store operations", ["operation"], buckets=_LATENCY_S
)

#: Bytes stored. Flat while cameras stream: nothing is being sealed; see the retention service.
STORE_PUT_BYTES = Counter("kanhu_store_put_bytes_total", "bytes durably stored")

#: Failed operations by kind of error. transient: outage or full disk; corrupt: check the disk at once; rejected: settings.
STORE_ERRORS = Counter("kanhu_store_errors_total", "failed object store operations", ["operation", "kind"])

# --- backbone: catalog -----------------------------------------------------------------------------------------------

#: How long transactions take, begin to commit. p99 over 1 s: the database is overloaded or a reader holds it.
CATALOG_SECONDS = Histogram("kanhu_catalog_seconds", "duration of catalog transactions", ["kind"], buckets=_LATENCY_S)

#: Failed transactions by kind of error. transient: outage; rejected: schema and program differ; corrupt: restore a backup.
CATALOG_ERRORS = Counter("kanhu_catalog_errors_total", "failed catalog transactions", ["kind"])

# --- backbone: entities and audit ------------------------------------------------------------------------------------

#: Cameras and sensors now known to this service. Fewer than enrolled: config.v1 or FILE is not being read.
ENTITIES = Gauge("kanhu_entities", "entities known to this service", ["kind"])

#: Edits of FILE or records of config.v1 that were refused; the previous state stays. Any increase: see the log.
ENTITY_REFUSALS = Counter("kanhu_entity_refusals_total", "entity changes that were refused", ["origin"])

#: Entries appended to the audit trail. Flat while people view footage: an access path is not audited (I6); a defect.
AUDIT_ENTRIES = Counter("kanhu_audit_entries_total", "audit entries made durable", ["action"])

#: Entries durable in the catalog and not yet on audit.v1. Rising: the log is away; nothing is lost.
AUDIT_UNPUBLISHED = Gauge("kanhu_audit_unpublished", "audit entries not yet published")

# --- ingest ----------------------------------------------------------------------------------------------------------

#: 1 while a camera's stream is being recorded. 0: see the camera's detail in status.v1; there is a gap with a cause.
AGENT_STREAMING = Gauge("kanhu_agent_streaming", "1 while this stream of this camera arrives", ["camera", "stream"])

#: Bytes of coded video received. Flat while streaming is 1: a stalled camera; it is reconnected after stall_s.
AGENT_MEDIA_BYTES = Counter("kanhu_agent_media_bytes_total", "bytes of chunks made", ["camera", "stream"])

#: Runs begun. More than a few an hour: an unstable camera, network or clock; see the causes of its gaps.
AGENT_RUNS = Counter("kanhu_agent_runs_total", "runs begun", ["camera", "stream"])

#: Failed connections by kind. credentials, unsupported, unusable: a person has to act; the others mend themselves.
AGENT_FAILURES = Counter("kanhu_agent_failures_total", "connections that failed or broke", ["camera", "kind"])

#: Bytes in the spool that the log has not got. Rising: the log is away; at the limit footage is lost as declared gaps.
AGENT_SPOOL_BYTES = Gauge("kanhu_agent_spool_bytes", "bytes spooled and not yet drained")

#: Bytes in memory that are not durable anywhere. Over a few MiB: log and spool are slow; recording stops at the limit.
AGENT_HELD_BYTES = Gauge("kanhu_agent_held_bytes", "bytes of records that are not durable yet")

#: Times that the log was given up. Rising while the log is up: it does not acknowledge in time; look at its disk.
AGENT_LOG_OUTAGES = Counter("kanhu_agent_log_outages_total", "changes from the log to the spool")

#: Records that went through the spool. It equals drained when nothing waits.
AGENT_SPOOLED = Counter("kanhu_agent_spooled_records_total", "records written to the spool")

#: Records moved from the spool to the log. Flat while spool bytes are not 0: the log is still away.
AGENT_DRAINED = Counter("kanhu_agent_drained_records_total", "spooled records taken by the log")

#: Copies for analysis that were dropped because the log was away or slow. Nothing recorded is lost by it.
AGENT_DETECT_DROPPED = Counter("kanhu_agent_detect_dropped_total", "records for analysis dropped")

#: Sensor readings taken, by kind and way. Flat for a door that is used: sensor, broker or topic; see dead letters.
AGENT_READINGS = Counter("kanhu_agent_readings_total", "sensor readings taken", ["kind", "way"])

# --- retention -------------------------------------------------------------------------------------------------------

#: Segments in the ledger. Flat for minutes while cameras stream: see kanhu_retention_waiting and the log of the service.
SEGMENTS_STORED = Counter("kanhu_retention_segments_total", "segments stored and written into the ledger")

#: Media records refused as evidence. Any increase: look at the newest dead letter; a key is not enrolled, or somebody tampered.
QUARANTINED = Counter("kanhu_retention_quarantined_total", "media records sent to quarantine (I7)")

#: Records that were here before. Rising after a restart or a spool replay is normal; rising steadily: an agent repeats itself.
DUPLICATES = Counter("kanhu_retention_duplicates_total", "media records that changed nothing")

#: Gap rows written, by cause. unknown: nobody could say why; find out.
GAPS_RECORDED = Counter("kanhu_retention_gaps_total", "gap rows written or changed", ["cause"])

#: 1 while a partition waits for the store, the catalog or the log. Longer than minutes: that server is away or full.
RETENTION_WAITING = Gauge("kanhu_retention_waiting", "partitions that wait for a server")

#: Bytes read from the log and not yet taken up. At its bound the partition is paused; nothing is lost.
INBOX_BYTES = Gauge("kanhu_retention_inbox_bytes", "bytes read and not yet taken up, all partitions")

#: Readings, incidents and states archived.
ARCHIVED = Counter("kanhu_retention_archived_total", "records archived into the catalog", ["topic"])

# --- analyze ---------------------------------------------------------------------------------------------------------

#: Incidents announced, by taxonomy kind and stage (opened, updated, closed). Many opened and few closed: a rule flickers.
INCIDENTS = Counter("kanhu_incidents_total", "incident records announced", ["kind", "stage"])

#: From the onset of what is judged to its announcement. p99 over 2 s for I-12: the analysis is late; see skipped chunks.
INCIDENT_DELAY_SECONDS = Histogram(
    "kanhu_incident_delay_seconds", "onset to announcement of opened incidents", ["kind"], buckets=_LATENCY_S
)

#: Snapshots that could not be stored. Any increase: the object store was away for minutes; the incidents stand.
SNAPSHOTS_LOST = Counter("kanhu_snapshots_lost_total", "snapshots given up")

#: Frames analysed. Below cameras x frames_per_s: compare with skipped and undecodable chunks.
ANALYSED_FRAMES = Counter("kanhu_analysed_frames_total", "frames analysed", ["camera"])

#: Frames found to be still, so that the detector was spared; they count as watched.
GATED_FRAMES = Counter("kanhu_gated_frames_total", "frames watched without a run of the detector", ["camera"])

#: Frames that arrived and were not analysed, by cause. shed or late rising: too many cameras; no_model: install one;
#: undecodable, unsynchronised: the stream is damaged. The causes are explained in docs/design/analysis.md.
SKIPPED_FRAMES = Counter("kanhu_skipped_frames_total", "frames not analysed", ["camera", "cause"])

#: Share of the workers' time that is used. Near 0.85 with a pace below 1: more is asked than this machine can do.
ANALYSIS_BUSY = Gauge("kanhu_analysis_busy_ratio", "share of the workers' time in use")

#: What runs a model (its newest session) beside what analyze.provider wanted. CPUExecutionProvider where cuda or tensorrt was
#: wanted: the GPU is idle and the CPU does its work; the log's error says what is needed (see the administrator's guide).
ANALYSIS_MODEL = Info("kanhu_analysis_model", "provider wanted for a model, and the one that runs it", ["model"])

#: From a chunk's last sample to its analysis. p99 over 2 s: the analysis is late; see the paces and the wait.
ANALYSIS_STALENESS_SECONDS = Histogram(
    "kanhu_analysis_staleness_seconds",
    "capture to analysis of watched chunks",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0),
)

#: The longest that a chunk now waits for its turn. Over a second for minutes: see the paces; below that all is well.
ANALYSIS_WAIT_SECONDS = Gauge("kanhu_analysis_wait_seconds", "longest wait of a chunk for its turn")

#: Analysed rate now aimed at, as a share of the rate asked for. Below 1: overload; fewer cameras, a lower rate or more cores.
ANALYSIS_PACE = Gauge("kanhu_analysis_pace_ratio", "rate aimed at over rate asked for", ["camera"])

#: Chunks let go because the analysis was late, the detector missing or the decoder out of step. Rising: too many cameras.
SKIPPED_CHUNKS = Counter("kanhu_skipped_chunks_total", "chunks not analysed", ["camera"])

#: Chunks that could not be decoded. Rising for one camera: its stream is damaged; look at its network and encoder.
UNDECODABLE_CHUNKS = Counter("kanhu_undecodable_chunks_total", "chunks the decoder refused", ["camera"])

#: Exceptions that nothing foresaw while analysing. Any increase is a defect of ours; the log has its trace.
ANALYSIS_DEFECTS = Counter("kanhu_analysis_defects_total", "unforeseen failures of the analysis")

#: Pictures that could not be taken apart (broken framing) or are too large, and were left out. Any: a damaged network or file.
AGENT_BAD_PICTURES = Counter("kanhu_agent_bad_pictures_total", "pictures that could not be recorded", ["camera"])
