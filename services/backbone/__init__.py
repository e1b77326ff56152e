"""Durable ports (log, object store, catalog, clock, keys), their adapters, and telemetry.

Belongs here: everything that makes bytes durable or observable, for every service alike, and the translation of vendor
errors into ``services.contracts.errors``. Does not belong here: what the bytes mean, and SQL statements of one service.
"""
