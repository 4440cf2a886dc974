"""Users of a store, and the one file that all engines read."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils import store_acl
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import SpecError, parse

QUEUE = {"engine": "redis", "purpose": "queue", "port": 11000, "memory": "1gb"}


def with_users(**given):
    return parse("shop", {**QUEUE, **given})


def test_a_store_without_users_of_its_own_has_no_such_file():
    assert store_acl.config(with_users(password="s3cret")) == ""


def test_default_keeps_the_password_and_no_password_is_written_in_the_clear():
    digest = hashlib.sha256(b"s3cret").hexdigest()
    text = store_acl.config(with_users(password="s3cret", acl={"shop": "on  >s3cret ~rq:*  +@all (~x +get)"}))
    assert text == f"user default on #{digest} ~* &* +@all\nuser shop on #{digest} ~rq:* +@all (~x +get)\n"


@pytest.mark.parametrize(
    "rules",
    ["on nopass ~* &* +@all", "off", "on >p%a$s ~rq:[^q]* %R~x* %RW~y &news:* resetchannels -@admin +client|id",
     "on #" + "a" * 64 + " allkeys allchannels allcommands", "reset on >x (+get ~a* -@all)"],
)  # fmt: skip
def test_rules_are_taken_as_redis_writes_them(rules):
    assert with_users(acl={"shop": rules}).acl == {"shop": rules}


@pytest.mark.parametrize(
    ("acl", "remedy"),
    [
        ("on >s3cret +@all", "Give each user its rules in one string"),
        ({}, "Give each user its rules in one string"),
        ({"shop": ["on", ">s3cret"]}, "Look at the rules of shop"),
        ({"shop": ""}, "Look at the rules of shop"),
        ({"shop": "on s3cret +@all"}, "Look at the rules of shop"),
        ({"shop": "on >s3cret\nuser other on nopass"}, "Look at the rules of shop"),
        ({"shop": "on >s3cret #abc"}, "Look at the rules of shop"),
        ({"a b": "on >s3cret"}, "Name users with letters, digits, . _ @ and -"),
    ],
)
def test_wrong_rules_are_refused_and_not_shown(acl, remedy):
    with pytest.raises(SpecError) as error:
        with_users(acl=acl)
    (problem,) = error.value.problems
    assert (problem.key, problem.value, problem.remedy) == ("shop.acl", None, remedy)
    assert "s3cret" not in str(problem)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("on >pw +client|id", "gives shop +client|id, which Dragonfly does not know. Say +client,"),
        ("on >pw (+get ~b*)", "gives shop a selector, which Dragonfly does not know. Give what it allows to a user"),
        ("reset on >pw", "gives shop reset, which Dragonfly does not know. A new user has no rights anyway"),
        ("on >pw +@hyperloglog", "gives shop +@hyperloglog, which Dragonfly does not know. Say +@hyperlog."),
        ("on !" + "a" * 64, "gives shop the removal of a hash, which Dragonfly does not know. Leave it out"),
    ],
)
def test_what_dragonfly_does_not_know_is_named(rules, words):
    spec = with_users(engine="dragonfly", acl={"shop": rules})
    (problem,) = store_acl.dragonfly_problems(spec)
    assert words in str(problem)
    assert "pw" not in str(problem)


def test_dragonfly_knows_what_bench_writes():
    rules = "on >pw ~rq:[^q]* ~rq:queues ~rq:queue:shop:* +@all -@admin"
    assert store_acl.dragonfly_problems(with_users(engine="dragonfly", acl={"shop": rules})) == []
