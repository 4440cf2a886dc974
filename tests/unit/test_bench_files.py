"""A bench's configuration is read, changed in its store URLs alone, and shown without passwords."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import (
    Bench,
    BenchError,
    redact,
    replace_file,
    same_store,
    with_stores,
)
from ansible_collections.benchfly.stores.plugins.module_utils.canary import longest_gaps


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://cache1:13000", "cache1:13000"),
        ("redis://cache1", "cache1:6379"),
        ("redis://user:p%40ss%3Aw%2Frd@cache1:13000/3", "cache1:13000/3"),
        ("rediss://:pw@cache1:13000", "cache1:13000"),
        ("unix:///run/redis.sock?db=2", "/run/redis.sock"),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("redis://h:1", "redis://:pw@h:1/4", True),
        ("redis://h:6379", "redis://h", True),
        ("redis://h:1", "redis://h:2", False),
        ("unix:///a.sock", "unix:///a.sock?db=1", True),
        ("unix:///a.sock", "redis://a.sock", False),
    ],
)
def test_same_store(one: str, other: str, same: bool) -> None:
    assert same_store(one, other) is same


def test_nothing_but_the_urls_changes_in_bench_s_own_format() -> None:
    before = json.dumps({"b": "ü", "redis_queue": "redis://a:1", "a": [1, 2]}, indent=1, ensure_ascii=False).encode()
    after = with_stores(before, {"redis_queue": "redis://b:2"})
    assert after == before.replace(b"redis://a:1", b"redis://b:2")
    assert with_stores(before + b"\n", {"redis_queue": "redis://b:2"}) == after + b"\n"


def test_a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("old")
    path.chmod(0o640)
    replace_file(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777, list(tmp_path.iterdir())) == (b"new", 0o640, [path])


@pytest.mark.parametrize(("content", "said"), [("{", "is not valid JSON"), ("[]", "must hold a JSON object")])
def test_a_broken_configuration_is_named(tmp_path: Path, content: str, said: str) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(BenchError, match=r"common_site_config\.json cannot be read"):
        bench.config()
    bench.common_site_config.parent.mkdir()
    bench.common_site_config.write_text(content)
    with pytest.raises(BenchError, match=said):
        bench.config()


def test_the_bench_id_is_frappe_s(tmp_path: Path) -> None:
    bench = Bench(Path("/home/frappe/frappe-bench"))
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/common_site_config.json").write_text("{}")
    assert Bench(tmp_path).bench_id() == str(tmp_path).strip("/").replace("/", "-")
    (tmp_path / "sites/common_site_config.json").write_text('{"bench_id": "pinned"}')
    assert Bench(tmp_path).bench_id() == "pinned"
    assert bench.path.name == "frappe-bench"


def test_the_longest_gap_counts_a_stall_whole_and_leaves_out_failures() -> None:
    def line(at: float, ms: float, error: str = "") -> dict[str, object]:
        return {"probe": "http", "at": at, "ms": ms, "error": error}

    lines = [line(0, 0), line(0.1, 0), line(0.2, 500), line(0.3, 0, "refused"), line(0.8, 0)]
    assert longest_gaps(lines, 0, 1) == {"http": 600.0}
    assert longest_gaps(lines, 0, 0.05) == {"http": 100.0}
