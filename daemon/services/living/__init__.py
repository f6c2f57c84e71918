"""The life of the service: who leads, how it starts, turns and ends."""
