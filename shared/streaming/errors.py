"""Errors named by treatment. Only intake rejects, and a reject is a value there, never an exception."""


class Retry(Exception):  # named by what the runner does with it
    """A passing condition: rewind to the stored offset and try again with back-off, for as long as it lasts."""


class Stop(Exception):
    """Going on would lose or repeat money: this partition stops, loudly, until a person has looked.

    The message is one sentence that names the partition or setting and says what to do.
    """
