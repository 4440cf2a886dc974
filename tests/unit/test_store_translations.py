"""Every key of a specification in the words of every engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.benchfly.stores.plugins.module_utils import store_dragonfly, store_redis
from ansible_collections.benchfly.stores.plugins.module_utils.store_keys import ENGINES, KEYS, Choice
from ansible_collections.benchfly.stores.plugins.module_utils.store_spec import SpecError, parse
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import version_in
from tests.unit.store_cases import CASES, ELSEWHERE, VERSIONS, Case, lines

HELPFULL = Path(__file__).parents[1] / "data/dragonfly/helpfull.txt"
EVERY = [(engine, case) for engine in ENGINES for case in CASES]


def named(value):
    return f"{value.key}={value.value}" if isinstance(value, Case) else None


def spec(engine, **given):
    return parse("shop", {"engine": engine, "purpose": "cache", "port": 6379, "memory": "512mb", **given})


def refusal(engine, version=None, **given):
    with pytest.raises(SpecError) as error:
        lines(spec(engine, **given), version)
    (problem,) = error.value.problems
    return problem


@pytest.mark.parametrize("engine", ENGINES)
def test_every_key_has_a_case_for_every_engine(engine):
    """A key that an engine takes is shown there; one that it does not take is refused there by name."""
    known = {key.name for key in KEYS} - ELSEWHERE
    taken = {case.key for case in CASES if case.expected(engine) is not None}
    refused = {case.blames or case.key for case in CASES if case.expected(engine) is None}
    assert {case.key for case in CASES} == known
    assert taken | refused == known
    assert known - taken == ({"eviction_samples", "hz", "active_defrag"} if engine == "dragonfly" else set())


@pytest.mark.parametrize("choice", ["eviction", "persistence"])
def test_every_word_of_a_choice_has_a_case(choice):
    (key,) = [key for key in KEYS if key.name == choice]
    assert isinstance(key.type, Choice)
    assert {case.value for case in CASES if case.key == choice} == set(key.type.values)


@pytest.mark.parametrize(
    ("engine", "case"), [each for each in EVERY if each[1].expected(each[0]) is not None], ids=named
)
def test_what_it_becomes(engine, case):
    assert set(case.expected(engine)) - set(lines(case.spec(engine))) == set()


@pytest.mark.parametrize(("engine", "case"), [each for each in EVERY if each[1].expected(each[0]) is None], ids=named)
def test_what_it_is_refused_for(engine, case):
    with pytest.raises(SpecError) as error:
        lines(case.spec(engine))
    assert [problem.key for problem in error.value.problems] == [f"shop.{case.blames or case.key}"]


@pytest.mark.parametrize("purpose", ["cache", "queue"])
def test_redis_gives_memory_back_in_the_background(purpose):
    written = lines(spec("redis", purpose=purpose))
    for what in ("eviction", "expire", "server-del", "user-del", "user-flush"):
        assert f"lazyfree-lazy-{what} yes" in written


@pytest.mark.parametrize(
    ("engine", "version", "reads"),
    [("redis", "6.2.5", True), ("redis", "7.4.0", True), ("redis", "8.0.0", False),
     ("valkey", "7.2.9", True), ("valkey", "8.0.1", False)],
)  # fmt: skip
def test_threads_are_told_to_read_where_they_must_be(engine, version, reads):
    assert ("io-threads-do-reads yes" in lines(spec(engine, threads=2), version)) is reads


@pytest.mark.parametrize(("version", "form"), [("6.2.14", "ziplist"), ("7.0.15", "listpack"), ("8.0.2", "listpack")])
def test_compact_hashes_have_the_name_of_their_version(version, form):
    assert {f"hash-max-{form}-entries 128", f"hash-max-{form}-value 1024"} <= set(lines(spec("redis"), version))


@pytest.mark.parametrize(
    ("engine", "purpose", "version", "minimum"),
    [("redis", "cache", "6.0.16", "6.2"), ("redis", "queue", "", "6.2"), ("valkey", "cache", "7.0.0", "7.2"),
     ("dragonfly", "cache", "1.37.0", "1.38"), ("dragonfly", "queue", "1.39.2", "1.40")],
)  # fmt: skip
def test_a_version_that_is_too_old_is_refused(engine, purpose, version, minimum):
    problem = refusal(engine, version, purpose=purpose)
    assert (problem.key, problem.value) == ("shop.engine", engine)
    assert (problem.reason, problem.remedy) == (f"{version} is too old", f"Install {minimum} or newer")


def test_a_flag_that_the_version_does_not_have_is_refused_with_the_version_that_has():
    with pytest.raises(SpecError) as error:
        lines(spec("dragonfly", listpack_value=512), "1.38.2")
    assert [str(problem) for problem in error.value.problems] == [
        "shop.engine: 'dragonfly' 1.38.2 has no --listpack_max_field_len yet. Install 1.39 or newer.",
        "shop.engine: 'dragonfly' 1.38.2 has no --listpack_max_bytes yet. Install 1.39 or newer.",
    ]
    assert lines(spec("dragonfly"), "1.38.2")


def test_every_flag_that_is_written_has_its_first_version_and_is_known_to_the_real_server():
    recorded = set(re.findall(r"^    --(\w+) ", HELPFULL.read_text(), re.MULTILINE))
    written = {
        line[2:].partition("=")[0]
        for case in CASES
        if case.dragonfly is not None
        for line in lines(case.spec("dragonfly"))
        if line.startswith("--")
    }
    assert written == set(store_dragonfly.FLAGS)
    assert written <= recorded
    assert len(recorded) > 200


def test_redis_files_are_below_the_folder_even_with_a_blank_in_its_name():
    text = store_redis.config(spec("redis"), "7.0.15", '/srv/my "shop"')
    assert 'dir "/srv/my \\"shop\\"/data"' in text
    assert 'include "/srv/my \\"shop\\"/auth.conf"' in text


@pytest.mark.parametrize("case", [case for case in CASES if case.dragonfly is not None], ids=named)
def test_a_flag_file_has_no_quotes_and_no_trailing_blanks(case):
    text = store_dragonfly.config(case.spec("dragonfly"), VERSIONS["dragonfly"], "/srv/shop")
    for line in text.splitlines():
        assert re.fullmatch(r"#.*|--\w+=\S.*|--dbfilename=", line)
        assert line == line.rstrip()
        assert not set(line) & set("'\"")


def test_dragonfly_is_set_up_for_frappe():
    cache, queue = lines(spec("dragonfly")), lines(spec("dragonfly", purpose="queue"))
    for line in ("--keys_output_limit=1000000", "--max_multi_bulk_len=1000001", "--version_check=false",
                 "--proactor_affinity_mode=off", "--primary_port_http_enabled=false", "--bind=127.0.0.1"):  # fmt: skip
        assert line in cache
        assert line in queue
    for line in ("--lua_undeclared_keys_shas=0f72f97be1eabbfce0148fd466da8c4ad73236fe",
                 "--pubsub_slow_subscriber_timeout_ms=5000"):  # fmt: skip
        assert line in queue
        assert line not in cache


@pytest.mark.parametrize("engine", ENGINES)
def test_the_password_is_in_the_secret_file_alone(engine):
    translation = store_dragonfly if engine == "dragonfly" else store_redis
    with_password = spec(engine, password="s3cret%$", acl={"shop": "on >s3cret2 +@all"})
    assert "s3cret" not in translation.config(with_password, VERSIONS[engine], "/srv/shop")
    expected = "DFLY_requirepass='s3cret%$'\n" if engine == "dragonfly" else "requirepass s3cret%$\n"
    assert translation.secret(with_password) == expected
    assert translation.secret(spec(engine)) == "# no password\n"
    assert [line for line in lines(with_password) if "s3cret" in line] == [expected.rstrip()]


@pytest.mark.parametrize(
    ("engine", "banner", "version"),
    [
        ("redis", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1\n", "7.0.15"),
        ("valkey", "Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1\n", "8.0.1"),
        ("dragonfly", "\x1b[1;33mdragonfly v1.40.1-434478e00\x1b[0m\nbuild time: x\n", "1.40.1-434478e00"),
        (
            "dragonfly",
            "dragonfly v1.40.0-87-gf8eca6d0b-f8eca6d0b05c915cee9439036b5b04aebbb973bb\n",
            "1.40.0-87-gf8eca6d0b",
        ),
        ("dragonfly", "dragonfly \x1b[1;33mv1.40.0-stand-in\x1b[0m\n", "1.40.0-stand-in"),
        ("redis", "Valkey server v=8.0.1 sha=00000000:0\n", None),
        ("valkey", "Redis server v=7.0.15 sha=00000000:0\n", None),
        ("dragonfly", "usage: dragonfly [-h]\n", None),
    ],
)
def test_a_version_is_read_from_what_the_server_prints(engine, banner, version):
    assert version_in(banner, engine) == version
