"""The real servers on a plain machine, for tests and local work: how each is obtained, started, hurt and stopped.

Nothing here is part of the product and nothing in ``services`` may import it. It needs no container engine: Kafka comes from
Maven, MinIO from its Go module, the rest from Debian's packages.
"""
