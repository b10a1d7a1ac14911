"""Structured logs: one JSON object a line, whoever logs (structlog or the standard library), without personal data.

For callers: FastStream logs an info line for every message unless its logger is off. Build brokers with
`KafkaBroker(..., logger=None)` and let the runner log what matters; otherwise logging dominates the cost of a record.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID

import structlog
from pydantic import ValidationError
from structlog.types import EventDict, Processor, WrappedLogger

from shared.observability.tracing import current_trace_id

REDACTED = "[redacted]"
PERSONAL_KEYS = frozenset({"payee", "account_name", "account_number", "contact", "token", "authorization"})
# In free text there is no key to go by: compact JOSE tokens, bearer credentials, and digit runs as long as an account.
_PERSONAL_TEXT = re.compile(
    r"eyJ[\w-]{8,}(?:\.[\w-]*){2,4}|(?<=[Bb]earer )[\w.~+/=-]{8,}|(?<![0-9A-Za-z])\d{12,}(?![0-9A-Za-z])"
)
_MAX_DEPTH = 6
_MAX_TEXT = 4_000
_FOREIGN_LOGGERS = ("uvicorn", "aiokafka", "faststream", "asyncio", "kafka")


def configure(service: str, instance: str, level: str, stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (standard output) as JSON; calling it again replaces the first.

    Fields: time (UTC, RFC 3339), level, service, instance, event, trace_id when known, then what the caller gave.
    Raises ValueError for a level that is not one of debug, info, warning, error, critical.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"The log level {level} is unknown: use debug, info, warning, error or critical.")

    def add_origin(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        event["service"], event["instance"] = service, instance
        trace_id = current_trace_id()
        if trace_id is not None:
            event.setdefault("trace_id", trace_id)
        return event

    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                add_origin,
                describe_exception,
                redact,
                structlog.processors.EventRenamer("event"),
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    _adopt_foreign_loggers()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a second configure() must reach loggers that were used before
    )


def redact(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Processor: values under PERSONAL_KEYS, at any depth, and what looks like credentials or accounts in text."""
    return {key: _redacted(key, value, 0) for key, value in event.items()}


def describe_exception(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Processor: `exc_info` becomes `exception`: types, messages and places; never local variables or input values."""
    exc_info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["exception"] = _chain(error)
    return event


def _chain(error: BaseException) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(chain) < _MAX_DEPTH:
        chain.append({"type": type(current).__name__, "message": _message(current), "at": _places(current)})
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def _message(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        # Its text quotes the input, and the input may be a payee.
        kinds = (f"{'.'.join(map(str, line['loc']))}: {line['type']}" for line in error.errors(include_input=False))
        return f"{error.title}: {'; '.join(kinds)}"
    # PostgreSQL puts the row's values on a DETAIL line of its own.
    return str(error).split("\nDETAIL:", 1)[0]


def _places(error: BaseException) -> list[str]:
    places: list[str] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-20:]


def _redacted(key: object, value: Any, depth: int) -> Any:
    if isinstance(key, str) and key.lower() in PERSONAL_KEYS:
        return REDACTED
    if isinstance(value, str):
        # A field of its own such as uscc or offset is not personal; text made of several things may hide something.
        return value if key == "uscc" else _PERSONAL_TEXT.sub(REDACTED, value[:_MAX_TEXT])
    if depth == _MAX_DEPTH and isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {str(inner): _redacted(inner, item, depth + 1) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redacted(None, item, depth + 1) for item in value]
    return value


def _adopt_foreign_loggers() -> None:
    """Libraries that bring handlers of their own (FastStream in colour) hand their lines to ours instead."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.split(".", 1)[0] in _FOREIGN_LOGGERS:
            logger.handlers.clear()
            logger.propagate = True
    # One line per request is what the metrics are for, and its text would hold the query.
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)
    # At info, aiokafka tells of every heartbeat and metadata refresh of a rebalance.
    logging.getLogger("aiokafka").setLevel(logging.WARNING)


def _to_json(event: EventDict, **_: Any) -> str:
    return json.dumps(event, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, (date, UUID, Decimal, PurePath)):
        return str(value)
    if isinstance(value, Enum):
        return str(value.value)
    # The text of any other object may hold what its fields hold, so only its kind is told.
    return f"<{type(value).__name__}>"
