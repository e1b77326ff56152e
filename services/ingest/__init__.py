"""Edge agent: cameras (RTSP, files, a simulated nursery) and sensors (MQTT, HTTP) become chunks, readings and gaps on the log.

Belongs here: reading sources, muxing once, the spool, the agent's life-cycle. Does not belong here: decoding,
judging pictures, anything about storage of footage.
"""
