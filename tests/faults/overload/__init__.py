"""Ten times what an installation can take, from Kafka and over HTTP at once."""
