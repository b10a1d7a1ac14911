"""What the local stack's parts raise."""


class StackError(Exception):
    """The stack cannot go on. The text is for the user: a sentence that says what to do, perhaps lines of a log."""


class Unanswered(StackError):
    """The process manager does not take requests."""


class NotReady(Exception):
    """A server or service does not answer yet; worth asking again until the deadline."""
