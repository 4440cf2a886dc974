"""The durable part of a cache moves between two real servers, killed at every step and resumed or reversed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench
from ansible_collections.benchfly.stores.plugins.module_utils.cache_sweep import CacheSweep
from tests.stores.fragile import Fragile, KilledError

pytestmark = pytest.mark.stores

SITE = "_5e5899d8398b5f7b"
INSERTS, SEARCH = f"{SITE}|insert_queue_for_Route History", f"{SITE}|global_search_queue"


def test_what_sql_does_not_have_moves_and_the_rest_stays(stores: tuple[redis.Redis, redis.Redis]) -> None:
    old, new = stores
    old.set(f"{SITE}|bootinfo", "stale by tomorrow")
    old.set("_another0000000000|insert_queue_for_X", "another bench's")
    old.hset(f"{SITE}|_user_settings", mapping={"ToDo::a": "old", "ToDo::b": "old"})
    new.hset(f"{SITE}|_user_settings", "ToDo::a", "newer")
    old.rpush(INSERTS, *range(1200))  # appended on the right, taken from the left
    new.rpush(INSERTS, "new")
    old.lpush(SEARCH, *range(1200))  # appended on the left, taken from the right
    new.lpush(SEARCH, "new")
    swept = CacheSweep(old, new, [SITE]).run()
    assert (swept.lists, swept.items) == (2, 2400)
    assert [new.lpop(INSERTS) for _ in range(1201)] == [*[b"%d" % number for number in range(1200)], b"new"]
    assert [new.rpop(SEARCH) for _ in range(1201)] == [*[b"%d" % number for number in range(1200)], b"new"]
    assert new.hgetall(f"{SITE}|_user_settings") == {b"ToDo::a": b"newer", b"ToDo::b": b"old"}
    assert set(old.keys()) == {f"{SITE}|bootinfo".encode(), b"_another0000000000|insert_queue_for_X"}
    assert new.keys() == [f"{SITE}|_user_settings".encode()]


def test_what_may_be_stale_on_the_target_goes_and_what_is_durable_or_anothers_stays(
    stores: tuple[redis.Redis, redis.Redis],
) -> None:
    old, new = stores
    new.set(f"{SITE}|document_cache::User::a", "from an earlier stay")
    new.hset(f"{SITE}|bootinfo", "a", "cached while another process still invalidated the former store")
    new.set("assets_json", "an earlier build's")
    new.rpush(SEARCH, "new")
    for key in ("_another0000000000|bootinfo", "rq:job:site1||1", "assets"):
        new.set(key, "another's")
    old.set(f"{SITE}|rl:1.2.3.4", 7, ex=600)
    swept = CacheSweep(old, new, [SITE]).run()
    assert swept.cold == 3
    kept = {SEARCH, f"{SITE}|rl:1.2.3.4", "_another0000000000|bootinfo", "rq:job:site1||1", "assets"}
    assert set(new.keys()) == {key.encode() for key in kept}
    assert 590 < new.ttl(f"{SITE}|rl:1.2.3.4") <= 600


def test_what_an_app_wants_spared_moves_too(stores: tuple[redis.Redis, redis.Redis], tmp_path: Path) -> None:
    hooks = tmp_path / "apps/shop/shop/hooks.py"
    hooks.parent.mkdir(parents=True)
    hooks.write_text('app_name = "shop"\npersistent_cache_keys = [\n\t"agent-jobs",  # ours\n\t"oauth_state*",\n]\n')
    old, new = stores
    old.set(f"{SITE}|oauth_state:1", "a")
    old.lpush(f"{SITE}|agent-jobs", 1, 2)
    new.lpush(f"{SITE}|agent-jobs", 3)
    CacheSweep(old, new, [SITE], Bench(tmp_path).persistent_cache_keys()).run()
    assert new.get(f"{SITE}|oauth_state:1") == b"a"
    assert sorted(new.lrange(f"{SITE}|agent-jobs", 0, -1)) == [b"1", b"2", b"3"]
    assert old.keys() == []


@pytest.mark.parametrize("way", ["resumed", "reversed"])
def test_killed_anywhere_no_item_is_lost_and_none_is_there_twice(
    stores: tuple[redis.Redis, redis.Redis], way: str
) -> None:
    old, new = stores
    kills = 0
    wanted = Counter([*[b"%d" % number for number in range(1100)], b"fresh"])
    for calls in range(60):
        old.flushall()
        new.flushall()
        old.rpush(INSERTS, *range(1100))
        new.rpush(INSERTS, "fresh")
        budget = [calls]
        try:
            CacheSweep(Fragile(old, budget), Fragile(new, budget), [SITE]).run()
        except KilledError:
            kills += 1
        if way == "reversed":
            CacheSweep(new, old, [SITE]).run()
        else:
            CacheSweep(old, new, [SITE]).run()
        left, empty = (old, new) if way == "reversed" else (new, old)
        assert Counter(left.lrange(INSERTS, 0, -1)) == wanted, f"killed after {calls} calls"
        assert empty.keys() == [] and left.keys() == [INSERTS.encode()]
    assert kills > 8
