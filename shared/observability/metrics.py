"""Every metric this system has: the one closed list. Dashboards, alerts and docs use only names from here.

Each process serves its own values at /metrics; which service and instance they come from is the scraper's label. Labels
are bounded: topics, partitions, codes, kinds and route templates, never an enterprise, an id or a path as it was typed.
`python -m shared.observability.metrics` prints the list as the table in METRICS.md.
"""

import sys
import time
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A registry of our own: the library's global one refuses a second import of this module, and libraries add to it.
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One line of the catalogue; `name` is the name a query uses (`_total` included)."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


_CATALOGUE: list[MetricInfo] = []
_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    _CATALOGUE.append(MetricInfo(f"{name}_total", "counter", labels, meaning))
    return Counter(name, meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    _CATALOGUE.append(MetricInfo(name, "gauge", labels, meaning))
    return Gauge(name, meaning, labels, registry=REGISTRY)


def _seconds(name: str, meaning: str, *labels: str) -> Histogram:
    _CATALOGUE.append(MetricInfo(name, "histogram", labels, meaning))
    return Histogram(name, meaning, labels, registry=REGISTRY, buckets=_FAST)


# --- HTTP: rate, errors, duration ---
HTTP_REQUESTS = _counter("relief_http_requests", "Requests answered.", "method", "route")
HTTP_ERRORS = _counter("relief_http_errors", "Answers with a status of 400 or above.", "method", "route", "status")
HTTP_SECONDS = _seconds("relief_http_request_seconds", "From a request's first byte to its last.", "method", "route")
REQUESTS_SHED = _counter("relief_http_requests_shed", "Requests refused because too many were being answered.")
LIMITER_FALLBACKS = _counter(
    "relief_limiter_fallbacks", "Requests limited by this process alone because the shared counters were out of reach."
)

# --- Records in ---
RECORDS_CONSUMED = _counter("relief_records_consumed", "Records taken and committed.", "topic")
BATCHES = _counter("relief_batches", "Batches by how they ended: committed, rewound, failed.", "topic", "outcome")
BATCH_SECONDS = _seconds("relief_batch_seconds", "One batch of one partition, from load to commit.", "topic")
# On revoke, remove the partition's series: a gauge of a partition we no longer own would stay at its last value.
LAG_RECORDS = _gauge("relief_lag_records", "Offsets between ours and the partition's end.", "topic", "partition")
LAG_SECONDS = _gauge("relief_lag_seconds", "Age of the oldest record not yet committed.", "topic", "partition")
REJECTS = _counter("relief_rejects", "Records that could not be accepted, by reason code.", "topic", "code")
DUPLICATES = _counter("relief_duplicates", "Records dropped because the same one was taken before.", "topic")
SUPERSEDED = _counter("relief_superseded", "Facts older than the version held; they changed nothing.", "type")
UNKNOWN_FIELDS = _counter("relief_unknown_fields", "Fields in accepted events that the contract does not name.", "type")

# --- The runner's protocol ---
FENCES = _counter("relief_fences", "Commits refused because another owner went on.", "topic")
REWINDS = _counter("relief_rewinds", "Seeks back to the stored offset, by reason.", "topic", "reason")
RETRIES = _counter("relief_retries", "Attempts repeated after a passing failure, by what failed.", "kind")
STOPPED_PARTITIONS = _gauge("relief_stopped_partitions", "Partitions that stopped until a person has looked.", "topic")

# --- Records out ---
RECORDS_PUBLISHED = _counter("relief_records_published", "Records acknowledged by Kafka.", "topic")
PUBLISH_SECONDS = _seconds("relief_publish_seconds", "From handing over a batch to its acknowledgement.", "topic")
PRODUCER_RECREATIONS = _counter("relief_producer_recreations", "Producers closed and made anew after a failure.")

# --- Stores ---
STORE_LOAD_SECONDS = _seconds("relief_store_load_seconds", "Reading the states of one batch.", "store")
STORE_COMMIT_SECONDS = _seconds("relief_store_commit_seconds", "Writing states and next offset of one batch.", "store")

# --- Relief ---
DECISIONS = _counter("relief_decisions", "Decisions told: granted, denied or pending.", "measure", "outcome")
# Fen as a float is exact up to 2**53 fen, 90 trillion yuan; nothing is computed from it, the ledger is the truth.
MONEY_FEN = _counter(
    "relief_money_fen", "Fen moved by ledger events; category: an insurance or a programme.", "type", "category"
)
RELAY_POSITION = _gauge("relief_relay_position", "Number of the last event of a stream known published.", "stream")
RELAY_BACKLOG = _gauge("relief_relay_backlog", "Events stored but not yet published, by stream.", "stream")
PARKED = _counter("relief_commands_parked", "Officers' and the bank's words that moved nothing, by type.", "type")
BANK_FILES = _counter("relief_bank_files", "Files to and from the bank: sent, accepted, refused.", "outcome")
PAYMENTS = _gauge("relief_payments", "Payments there are, by the state they are in.", "programme", "state")
BUDGET_FEN = _gauge(
    "relief_budget_fen", "A programme's money: in all, and reserved and spent of it.", "programme", "part"
)
# Of one moment each: a difference is none of timing. `exemption` stands among the programmes.
CONSERVATION_FEN = _gauge(
    "relief_conservation_fen", "Sums of what was decided, told and held, by term.", "programme", "term"
)
CONSERVATION_DIFFERENCE = _gauge(
    "relief_conservation_difference_fen", "By how much sums differ that must be equal.", "programme", "equation"
)
CONSERVATION_CHECKED = _gauge(
    "relief_conservation_checked_timestamp_seconds", "When conservation was last checked, in seconds since 1970."
)
POSTINGS = _counter("relief_postings", "Ledger postings: created, exists, exists_with_different_content.", "outcome")


def catalogue() -> list[MetricInfo]:
    """Every metric, in the order of this file."""
    return list(_CATALOGUE)


def markdown() -> str:
    """The catalogue as the table that METRICS.md holds."""
    lines = ["# Metrics", "", "| name | kind | labels | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels) or '-'} | {metric.meaning} |"
        for metric in catalogue()
    ]
    return "\n".join(lines) + "\n"


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """ASGI middleware: rate, errors and duration by route template, so that no typed path becomes a label."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = _template(scope)
            HTTP_REQUESTS.labels(method, route).inc()
            HTTP_SECONDS.labels(method, route).observe(time.perf_counter() - started)
            if status >= 400:
                HTTP_ERRORS.labels(method, route, str(status)).inc()


def _template(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "unmatched"


if __name__ == "__main__":
    sys.stdout.write(markdown())
