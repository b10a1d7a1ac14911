"""Who may do what in Relief's Redis: the text of its ACL file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class User:
    """Patterns of its keys, and the commands that it uses on them; a script's own commands count as well."""

    keys: tuple[str, ...]
    commands: tuple[str, ...]


# A health check, what happens when memory is full (INFO), and scripts. AUTH and HELLO are everybody's.
_ALWAYS = ("ping", "info", "evalsha", "script|load")
# shared/streaming/redis_store.py: a partition's hash is read, written by compare-and-set, and begun anew.
_STATES = ("hget", "hmget", "hset", "del")
# services/intake/submissions.py; SET and GET are the limits' too.
_SUBMISSIONS = ("get", "set")
# shared/limits.py: a sliding window of two counters.
_LIMITS = ("get", "set", "exists", "incrby", "pttl", "rename")

USERS: Final = {
    "intake": User(
        ("relief:intake:*", "relief:relief-intake-status:*", "relief-limits:intake:*"),
        (*_ALWAYS, *_STATES, *_SUBMISSIONS, *_LIMITS),
    ),
    "eligibility": User(("relief:eligibility:*", "relief-limits:eligibility:*"), (*_ALWAYS, *_STATES, *_LIMITS)),
    # `relief rebuild` drops what was derived from the log, and looks how far it has come again.
    "operator": User(
        ("relief:intake:upstream.*", "relief:intake:intake.*", "relief:relief-intake-status:*", "relief:eligibility:*"),
        ("ping", "hmget", "unlink"),
    ),
    # They keep nothing there but how often they were called.
    **{name: User((f"relief-limits:{name}:*",), (*_ALWAYS, *_LIMITS)) for name in ("payments", "holdover", "ledger")},
}


def acl_file(passwords: Mapping[str, str], *, open_default: bool) -> str:
    """What `aclfile` names: `passwords` by user, of which the file holds digests alone.

    open_default: whoever gives no name may do everything, as in a Redis without a file; else nobody gets in that way.
    Raises KeyError for a user without a password.
    """
    default = "on nopass ~* &* +@all" if open_default else "off resetpass resetkeys resetchannels -@all"
    lines = [f"user default {default}"]
    for name, user in USERS.items():
        keys = " ".join(f"~{pattern}" for pattern in user.keys)
        commands = " ".join(f"+{command}" for command in dict.fromkeys(user.commands))
        digest = hashlib.sha256(passwords[name].encode()).hexdigest()
        lines.append(f"user {name} on #{digest} resetchannels {keys} -@all {commands}")
    return "\n".join(lines) + "\n"
