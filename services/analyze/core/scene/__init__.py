"""Scene facts: what is known of each tracked object in metres, seconds and zones. Pure; the facts are in ``facts``."""
