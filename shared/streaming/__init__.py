"""The runner that every service shares, its stores, and publishing."""
