"""Adapters for a centre: Apache Kafka, S3 with object lock, PostgreSQL."""
