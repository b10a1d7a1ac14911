"""What crosses the wire, and nothing else: event models, topics, examples, JSON Schemas."""
