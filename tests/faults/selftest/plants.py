"""The bugs that are planted, each a text that stands in a file once, and the checks that must fail of it."""

from dataclasses import dataclass

_STORES = "shared/streaming/test_stores.py"
_RUNNER = "shared/streaming/test_runner.py"
_PUBLISHER = "shared/streaming/test_publisher.py"
# A planted bug may keep it from ever settling: that is a finding, too.
_COUNTED = "python -m tests.faults.matrix --replicas 1 --settle 40 --fault "


@dataclass(frozen=True, slots=True)
class Edit:
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Plant:
    """`checks`: tests by file or file::name, or a run of the matrix; each must fail with it and pass without."""

    name: str
    edits: tuple[Edit, ...]
    checks: tuple[str, ...]


# Money comes out right without either fence, for identity repairs what a stale owner does. So it is the stores' own
# suite that sees these two, and no run of the matrix.
_FENCES = (
    Plant(
        "Redis commits without compare-and-set",
        (
            Edit(
                "shared/streaming/redis_store.py",
                "if stored ~= ARGV[1] then return 0 end\nfor first",
                "for first",
            ),
        ),
        (f"{_STORES}::test_of_two_sessions_that_loaded_the_same_only_one_commits[redis]",),
    ),
    Plant(
        "PostgreSQL commits without compare-and-set",
        (Edit("shared/streaming/postgres_store.py", " AND next_offset = %(expected)s", ""),),
        (f"{_STORES}::test_a_restart_empties_one_partition_and_only_over_what_was_seen[postgres]",),
    ),
    Plant(
        "PostgreSQL sessions of one partition do not exclude one another",
        (
            Edit(
                "shared/streaming/postgres_store.py",
                '"SELECT pg_advisory_xact_lock(hashtext(%s), %s)"',
                '"SELECT %s, %s"',
            ),
        ),
        ("shared/streaming/test_postgres.py::test_whoever_writes_a_partitions_rows_is_waited_for_and_then_seen",),
    ),
    # To take a refused commit for done is no bug to plant: the next batch is compared with the store, and dropped.
    Plant(
        "the runner does not compare its place with the store's",
        (
            Edit(
                "shared/streaming/runner.py",
                "            if mark is None or mark.next_offset != cursor.next_offset:\n",
                "            if mark is None:\n",
            ),
        ),
        (f"{_RUNNER}::test_an_owner_that_another_one_overtook_drops_its_batch_before_publishing",),
    ),
)
_PUBLISHING = (
    Plant(
        "the publisher does not wait for acknowledgements",
        (
            Edit(
                "shared/streaming/publisher.py",
                "            await asyncio.wait_for(acknowledged, ACKNOWLEDGE_SECONDS)\n",
                "",
            ),
        ),
        (
            f"{_PUBLISHER}::test_an_acknowledgement_that_does_not_come_is_not_waited_for_without_end",
            f"{_COUNTED}kafka-and-eligibility-killed",
        ),
    ),
    Plant(
        "the producer asks for no acknowledgement of all replicas",
        (
            Edit(
                "shared/streaming/publisher.py",
                'acks="all",\n                    enable_idempotence=True,',
                "acks=1,\n                    enable_idempotence=False,",
            ),
        ),
        (f"{_PUBLISHER}::test_the_producer_is_idempotent_and_waits_for_all_replicas",),
    ),
)
# Without the watermark alone, identity makes a repeat harmless: the runner's suite sees it, money does not.
_WATERMARK = Edit(
    "shared/streaming/folding.py",
    "                metrics.DUPLICATES.labels(record.topic).inc()\n                continue\n",
    "                metrics.DUPLICATES.labels(record.topic).inc()\n",
)
_REPEATS = (
    Plant(
        "the high-watermark drops nothing",
        (_WATERMARK,),
        (f"{_RUNNER}::test_a_repeat_is_dropped_by_its_source_and_position_in_each_partition_read",),
    ),
    Plant(
        "neither watermark nor identity: payments add every decision they read",
        (
            _WATERMARK,
            Edit(
                "services/payments/domain/exemption.py",
                "    outcome = compare(decision, before.revision, before.amount_fen)\n",
                "    outcome = compare(decision, before.revision, before.amount_fen)\n"
                '    outcome = "changed" if decision.amount_fen else outcome\n',
            ),
            Edit(
                "services/payments/domain/exemption.py",
                "    amount = decision.amount_fen\n",
                "    again = decision.revision <= before.revision\n"
                "    amount = decision.amount_fen + (before.amount_fen if again else 0)\n",
            ),
        ),
        (f"{_COUNTED}eligibility-killed-after-publish",),
    ),
)
_PLACES = (
    Plant(
        "a partition starts where Kafka's committed offset says",
        (
            Edit(
                "shared/streaming/place.py",
                "    return mark\n\n\nasync def _check",
                "    committed = await consumer.committed(partition)\n"
                "    return mark if committed is None else Mark(committed)\n\n\nasync def _check",
            ),
        ),
        (f"{_RUNNER}::test_kafkas_offset_is_never_a_start",),
    ),
    Plant(
        "Kafka's offset is committed first, and is the start",
        (
            Edit(
                "shared/streaming/place.py",
                "    return mark\n\n\nasync def _check",
                "    committed = await consumer.committed(partition)\n"
                "    return mark if committed is None else Mark(committed)\n\n\nasync def _check",
            ),
            Edit(
                "shared/streaming/runner.py",
                "            if mark is None or mark.next_offset != cursor.next_offset:\n",
                "            if mark is None:\n",
            ),
            Edit(
                "shared/streaming/runner.py",
                "        started = time.perf_counter()\n        fold = self._fold\n",
                "        started = time.perf_counter()\n        fold = self._fold\n"
                "        self._advisory.done(partition, records[-1].offset + 1)\n"
                "        await self._advisory.commit(self._bound(), {partition})\n",
            ),
            Edit(
                "shared/streaming/runner.py",
                "if mark is None or mark.next_offset != cursor.next_offset or self._numbers",
                "if mark is None or self._numbers",
            ),
        ),
        (f"{_COUNTED}eligibility-killed-before-publish",),
    ),
)
_BANK_AND_DUES = (
    Plant(
        "a file for the bank has another name when it is written again",
        (
            Edit(
                "services/payments/post.py",
                'self._mailbox.put(f"{batch_id}.pain.001.xml", message.content)',
                'self._mailbox.put(f"{batch_id}-{id(self)}.pain.001.xml", message.content)',
            ),
        ),
        (f"{_COUNTED}payments-killed-file-after-write",),
    ),
    Plant(
        "the odd fen goes with the last instalment",
        (
            Edit(
                "services/holdover/domain/schedule.py",
                "part + (rest if place == 0 else 0)",
                "part + (rest if place == len(over) - 1 else 0)",
            ),
        ),
        (f"{_COUNTED}holdover-killed-after-commit",),
    ),
)
PLANTS = (*_FENCES, *_PUBLISHING, *_REPEATS, *_PLACES, *_BANK_AND_DUES)
