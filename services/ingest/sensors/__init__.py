"""Ways in for sensor readings: MQTT and HTTP. What a payload means is decided in ``core.sensor_payload``."""
