"""The real runner in a small world of its own: time, order and misfortune all follow from one seed."""
