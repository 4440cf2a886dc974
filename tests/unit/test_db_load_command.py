"""What `db-load` makes of passes, and what its command line refuses, asks and shows."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.benchfly.stores.plugins.module_utils.bench_files import Bench, BenchError
from ansible_collections.benchfly.stores.plugins.module_utils.bench_web import refuse_other_users
from ansible_collections.benchfly.stores.plugins.module_utils.db_load import MOST_PATHS, Round, Site

from benchfly import cli
from benchfly.benchmark.db_load import DatabaseLoad
from benchfly.benchmark.statistics import rounds_for
from benchfly.playbook import runner
from benchfly.results import Run

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "tests/data/playbooks/verbs"
PAGE = (ROOT / "docs/db-load.md").read_text()
TOLD = {"bench": "shop", "site": "erp.example.com", "frappe": "15.51.1", "database": "10.11.6-MariaDB"}
COMMANDS = re.findall(r"^\$ benchfly (.*)$", PAGE, re.MULTILINE)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHFLY_HOME", str(tmp_path))
    monkeypatch.setattr(runner, "playbook", lambda verb: PLAYBOOKS / f"{verb.replace('-', '_')}.yml")


def one_pass(number: int, cache: str, state: str, statements: Mapping[str, int], spoilt: str = "") -> dict[str, Any]:
    requests = [{"path": path, "status": 200, "questions": n, "selects": n // 2} for path, n in statements.items()]
    return {"round": number, "cache": cache, "state": state, "spoilt": spoilt, "requests": requests}


def passes(rounds: int, more: Callable[[int], int] = lambda number: 0) -> list[dict[str, Any]]:
    """Two stores, the second with so many statements more."""
    return [
        one_pass(number, cache, state, {"/ping": base + extra, "/login": 10 * base + extra})
        for number in range(1, rounds + 1)
        for cache, extra in (("old", 0), ("new", more(number)))
        for state, base in (("warm", 10), ("cold", 40))
    ] + [one_pass(number, "unreachable", "none", {"/ping": 100, "/login": 1000}) for number in range(1, rounds + 1)]


def of(found: list[dict[str, Any]]) -> DatabaseLoad:
    return DatabaseLoad.of(found, ["old", "new"])


def test_statements_per_request_by_state_and_by_request() -> None:
    load = of(passes(8))
    figures = {(each.cache, each.state, each.path): each for each in load.figures}
    whole = figures["old", "cold", None].questions
    assert whole and (whole.middle, whole.low, whole.high, whole.rounds) == (220, 220, 220, 8)
    login = figures["new", "warm", "/login"]
    assert login.questions and login.selects and (login.questions.middle, login.selects.middle) == (100, 50)
    assert {(each.cache, each.state): round(each.share.middle, 3) for each in load.savings} == {
        ("old", "cold"): 0.75, ("old", "none"): 0.9, ("new", "cold"): 0.75, ("new", "none"): 0.9,
    }  # fmt: skip


def test_equal_stores_are_not_told_apart_and_others_are() -> None:
    assert [each.verdict for each in of(passes(8)).differences] == ["no difference claimed"] * 2
    uneven = of(passes(8, lambda number: number % 3 - 1)).differences
    assert [each.verdict for each in uneven] == ["no difference claimed"] * 2
    assert [each.verdict for each in of(passes(8, lambda number: 5 + number % 2)).differences] == ["more"] * 2
    assert [each.verdict for each in of(passes(8, lambda number: -5)).differences] == ["fewer"] * 2
    assert of(passes(5, lambda number: 5)).differences[0].verdict == "not judged: 5 rounds, 7 are needed"


def test_what_is_spoilt_does_not_count() -> None:
    found = passes(8)
    found[0] = one_pass(1, "old", "warm", {"/ping": 9999, "/login": 9999}, "others send about 9999")
    load = of(found)
    whole = load.figures[0].questions  # of the first store, warm, over all requests
    assert whole and (whole.middle, whole.rounds) == (55, 7)
    assert [each["round"] for each in load.spoilt] == [1]
    everything = of([{**each, "spoilt": "others"} for each in found])
    assert {each.questions for each in everything.figures} == {None} and not everything.savings


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """A command line's exit code and all that it says."""
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out + err


GIVEN = ("db-load", "-i", str(PLAYBOOKS / "hosts.yml"))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page_are_taken(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a playbook that counts nothing: what the real one does is tested on a bench."""
    names = {"inventories/mine": GIVEN[2]}
    if command.startswith("compare"):
        names |= {"BEFORE": kept("old-cache", 10), "AFTER": kept("new-cache", 10)}
    words = [names.get(word, word) for word in shlex.split(command)]
    code, said = run(capsys, *words, *(["--yes"] if words[0] == "db-load" else []))
    assert code == 0 and ("Once a round " in said) == ("none" not in words and words[0] == "db-load")


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    variables = yaml.safe_load((ROOT / "playbooks/db_load.yml").read_text())[0]["vars"]
    assert f"give up to {MOST_PATHS} paths" in text
    assert f"asks for {' and '.join(f'`{path}`' for path in variables['db_load_paths'])}" in text
    assert f"each of the {variables['db_load_rounds']} rounds (`db_load_rounds`)" in text
    assert f"more than {100 * variables['db_load_noise']:.0f} % (`db_load_noise`)" in text
    assert "for a second (`db_load_quiet`)" in text and variables["db_load_quiet"] == 1
    assert "six rounds at least" in text and rounds_for(1) == 6
    assert len(COMMANDS) == 5


def server(name: str) -> dict[str, str]:
    return {"name": name, "engine": "redis", "version": "7.0.15"}


def kept(cache: str, statements: int, **changes: Any) -> str:
    """The id of a run that counted so much, warm, for each of two requests."""
    found = [one_pass(number, cache, "warm", {"/ping": statements, "/login": statements}) for number in range(1, 9)]
    made = Run.create("db-load", {})
    made.finish({"status": "ok", "data": {"db_load": {**TOLD, "caches": [server(cache)], "passes": found, **changes}}})
    return made.id


def test_runs_before_and_after_a_move_are_compared_unless_they_counted_something_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, after = kept("10.0.0.9:13000", 10), kept("10.0.0.9:13000", 13)
    code, said = run(capsys, "compare", before, after)
    against = f"10.0.0.9:13000 in {after[-4:]} against 10.0.0.9:13000 in {before[-4:]}"
    assert code == 0 and f"{against}, warm: +3.0 (3.0 to 3.0) statements per request, more." in said
    other = kept("10.0.0.9:13000", 10, site="crm.example.com")
    code, said = run(capsys, "compare", before, other)
    assert code == 3 and "site erp.example.com in one and crm.example.com in another" in said
    code, said = run(capsys, "compare", before, other, "--force", "--json")
    data = json.loads(said)
    assert code == 0 and data["mark"].startswith("Not counted alike: site erp.example.com")
    assert data["figures"]["differences"][0]["verdict"] == "no difference claimed"
    code, said = run(capsys, "compare", before, kept("10.0.0.9:13000", 10, passes=[]))
    assert code == 6 and "counted nothing" in said


def test_it_asks_before_a_cache_is_cleared_and_not_when_none_is(capsys: pytest.CaptureFixture[str]) -> None:
    for state in ((), ("--state", "cold")):
        code, said = run(capsys, *GIVEN, "--bench", "shop", "--site", "erp.example.com", *state)
        assert code == 3 and "Repeat it with --yes" in said
        assert "Once a round the cache of erp.example.com of shop is cleared" in said
    code, said = run(capsys, *GIVEN, "--bench", "shop", "--store", "shop-cache", "--store", "spare-cache")
    assert code == 3 and "the default site of shop cached in shop-cache and spare-cache is removed. Where one" in said
    code, said = run(capsys, *GIVEN, "--bench", "shop", "--state", "warm", "--state", "none")
    assert code == 0 and "Once a round" not in said


def test_one_bench_is_measured_and_states_have_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, *GIVEN, "--yes")
    assert code == 3 and "Say with --bench which bench: shop, erp." in said
    code, said = run(capsys, *GIVEN, "--bench", "shop", "--state", "hot")
    assert code == 3 and "--state is hot. Give warm, cold, none." in said


def test_figures_are_told_as_json_and_shown_again_by_results(capsys: pytest.CaptureFixture[str]) -> None:
    found = passes(8, lambda number: -5)
    found[0] = one_pass(1, "old", "warm", {"/ping": 9999, "/login": 9999}, "others send about 99 of the 19998")
    given = json.dumps({"told": {**TOLD, "caches": [server("old"), server("new")], "passes": found}})
    code, said = run(capsys, *GIVEN, "--bench", "shop", "--yes", "--json", "-e", given)
    data = json.loads(said)
    assert code == 0 and data["figures"]["differences"][0]["verdict"] == "fewer"
    code, said = run(capsys, "results", "show", data["run"])
    assert code == 0
    lines = [" ".join(line.split()) for line in said.splitlines()]
    for line in (
        "erp.example.com of shop, Frappe 15.51.1, MariaDB 10.11.6-MariaDB: statements per request.",
        "old redis 7.0.15 warm 55.0 55.0 to 55.0 27.5 7",
        "unreachable none 550.0 550.0 to 550.0 275.0 8",
        "/login 100.0 400.0 95.0 395.0 1,000.0",
        "old warm takes off 75.0 % (75.0 to 75.0) of the statements with a cold one.",
        "new against old, cold: -5.0 (-5.0 to -5.0) statements per request, fewer.",
        "Spoilt: round 1, old warm: others send about 99 of the 19998.",
    ):
        assert line in lines


def test_figures_are_exported_as_rows(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = kept("10.0.0.9:13000", 10), kept("spare-cache", 13)
    assert kept("10.0.0.9:13000", 10, passes=[])  # it came to nothing
    code, said = run(capsys, "results", "export", "statements")
    lines = said.splitlines()
    assert code == 0 and len(lines) == 1 + 2 * 3
    assert lines[0] == "run,bench,site,cache,engine,version,state,path,rounds,questions,low,high,selects"
    assert lines[1] == f"{first},shop,erp.example.com,10.0.0.9:13000,redis,7.0.15,warm,,8,10.0,10.0,10.0,5.0"
    code, said = run(capsys, "results", "export", "statements", "--run", second, "--format", "json")
    assert code == 0 and [row["path"] for row in json.loads(said)] == [None, "/ping", "/login"]
    assert run(capsys, "results", "export", "statements", "--from", "s3://bucket/prefix")[0] == 3


def test_the_site_is_the_one_that_is_named_or_the_default_or_the_only_one(tmp_path: Path) -> None:
    for name in ("a.example.com", "b.example.com"):
        (tmp_path / f"sites/{name}").mkdir(parents=True)
        (tmp_path / f"sites/{name}/site_config.json").write_text(json.dumps({"db_name": name[0], "shared": "site"}))
    common = tmp_path / "sites/common_site_config.json"
    common.write_text('{"shared": "bench", "redis_cache": "redis://h"}')
    bench = Bench(tmp_path)
    site = Site.find(bench, "b.example.com")
    assert (site.database, site.config["shared"], site.config["redis_cache"]) == ("b", "site", "redis://h")
    with pytest.raises(BenchError, match=r"no default_site says which site is meant\. Set db_load_site to one of: a"):
        Site.find(bench, "")
    with pytest.raises(BenchError, match=r"there is no site c\. Set db_load_site to one of: a\.example\.com, b\.ex"):
        Site.find(bench, "c")
    common.write_text('{"default_site": "a.example.com"}')
    assert Site.find(bench, "").name == "a.example.com"


def test_frappe_14_takes_its_cache_from_its_configuration_alone(tmp_path: Path) -> None:
    (tmp_path / "apps/frappe/frappe").mkdir(parents=True)
    (tmp_path / "sites").mkdir()
    (tmp_path / "apps/frappe/frappe/__init__.py").write_text('__version__ = "14.92.1"\n')
    site = Site(Bench(tmp_path), "erp.example.com", {"db_name": "_1", "redis_cache": "redis://h:13000"})
    given: dict[str, Any] = {"paths": ["/login"], "states": ["warm", "none"], "stores": {}}
    others = {**given, "states": ["warm"], "stores": {"spare": "redis://h:14000"}}
    for each in (given, others):
        with pytest.raises(BenchError, match=r"Frappe 14\.92\.1 takes its cache from its configuration alone"):
            Round(site, None, each)  # type: ignore[arg-type]
    with pytest.raises(BenchError, match="these are 101 requests; 100 are the most"):
        Round(site, None, {**given, "paths": ["/login"] * 101})  # type: ignore[arg-type]


def test_nobody_but_the_benchs_user_and_root_may_write_its_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sites").mkdir()
    refuse_other_users(tmp_path)
    os.chown(tmp_path / "sites", 54321, -1) if os.geteuid() == 0 else pytest.skip("only root gives files away")
    refuse_other_users(tmp_path)  # root acts as that user
    monkeypatch.setattr(os, "geteuid", lambda: 54322)
    with pytest.raises(BenchError, match="belongs to user 54321: have Ansible log in as that user"):
        refuse_other_users(tmp_path)
