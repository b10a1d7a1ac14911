"""The fault matrix: one fault at a time, injected into a stream under way, and the money counted afterwards."""
