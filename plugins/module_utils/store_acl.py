"""Users of a store: its ACL file, which Redis, Valkey and Dragonfly read alike."""

from __future__ import annotations

import hashlib

from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import Problem, StoreSpec
from ansible_collections.benchfly.stores.plugins.module_utils.store_values import Users

# Dragonfly's words for what Redis calls otherwise, and rules that it does not know. One unknown rule, and it starts
# without any of the users, in silence.
_DRAGONFLY_LACKS = {
    "reset": "a new user has no rights anyway; leave it out",
    "clearselectors": "leave it out",
    "sanitize-payload": "leave it out",
    "skip-sanitize-payload": "leave it out",
    "+@hyperloglog": "say +@hyperlog",
    "-@hyperloglog": "say -@hyperlog",
}


def config(spec: StoreSpec) -> str:
    """users.acl, with hashes for passwords; empty when the store has no users but `default`.

    `default` is in it, since both Redis and Dragonfly forget its password where there is such a file without it.
    There are no comments in it, since no engine takes them there.
    """
    if not spec.acl:
        return ""
    own = "nopass" if spec.password is None else f">{spec.password}"
    users = {"default": f"on {own} ~* &* +@all", **spec.acl}
    return "".join(f"user {name} {' '.join(map(_hashed, _words(rules)))}\n" for name, rules in users.items())


def dragonfly_problems(spec: StoreSpec) -> list[Problem]:
    """Rules that Dragonfly does not know."""
    found = []
    for name, rules in (spec.acl or {}).items():
        for word in _words(rules):
            if word.startswith("("):
                reason, remedy = "a selector", "Give what it allows to a user of its own"
            elif word[0] in "+-" and "|" in word:
                reason, remedy = word, f"Say {word.partition('|')[0]}, for the command with all it can do"
            elif word in _DRAGONFLY_LACKS:
                reason, remedy = word, _DRAGONFLY_LACKS[word].capitalize()
            elif word[0] == "!":
                reason, remedy = "the removal of a hash", "Leave it out"
            else:
                continue
            found.append(spec.problem("acl", f"gives {name} {reason}, which Dragonfly does not know", remedy))
    return found


def _words(rules: str) -> list[str]:
    return Users.words.findall(rules)


def _hashed(word: str) -> str:
    return f"#{hashlib.sha256(word[1:].encode()).hexdigest()}" if word.startswith(">") else word
