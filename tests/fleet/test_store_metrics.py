"""A host's stores shown to Prometheus by one exporter, for real: servers, exporter, Prometheus, and the way back."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.fleet.conftest import ROOT, ansible, apt_install
from tests.fleet.hosts import Fleet, Host
from tests.fleet.hosts.processes import wait_until

pytestmark = pytest.mark.fleet

HOSTS = {"store1": "debian-13"}
DIR = "/srv/prometheus"  # of the files that Prometheus gets
# A password must be found nowhere, so each is a word that is nowhere else.
QUEUE, CACHE, METRICS = "queuepasswordqueue", "cachepasswordcache", "metricspasswordmetrics"
STORES: dict[str, dict[str, Any]] = {
    "shop-queue": {"engine": "redis", "purpose": "queue", "port": 7001, "memory": "64mb", "password": QUEUE},
    "shop-cache": {"engine": "valkey", "purpose": "cache", "port": 7002, "memory": "32mb", "password": CACHE},
}
RULES = f"on >{METRICS} +info +client|setname +slowlog|get +slowlog|len +latency|latest"
REPLAYED = 7003  # where the recorded INFO of Dragonfly is answered
PROMETHEUS = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{DIR}/rules.yml]
scrape_configs: [{{job_name: stores, file_sd_configs: [{{files: ['{DIR}/stores-*.json'], refresh_interval: 1s}}]}}]
"""
Converge = Callable[..., str]


@pytest.fixture(scope="module")
def host(fleet: Fleet) -> Host:
    """With a store on Redis, one on Valkey, and something that answers INFO as Dragonfly was recorded to."""
    host = fleet["store1"]
    apt_install(host, "redis-server", "valkey-server")
    tools = f"mkdir -p /opt/tools {DIR}; cd /tmp; apt-get download prometheus promtool"
    unpack = "for deb in /tmp/*.deb; do dpkg-deb --fsys-tarfile $deb | tar -x -C /opt/tools ./usr/bin; done"
    host.ssh(f"sudo sh -ec '{tools}; {unpack}'", timeout=300)
    for store in STORES.values():
        name = store["engine"]
        keeps = "yes" if store["purpose"] == "queue" else "no"
        secret = f"requirepass {store['password']}"
        put(host, f"/root/{name}.conf", f"port {store['port']}\n{secret}\nappendonly {keeps}\nsave ''\ndir /root\n")
        host.exec(["systemd-run", "--quiet", f"--unit=plain-{name}", f"{name}-server", f"/root/{name}.conf"])
    put(host, "/root/replay", (ROOT / "tests/standins/info_replay").read_text())
    put(host, "/root/info", (ROOT / "tests/data/dragonfly/info_all.txt").read_text())
    host.exec(["systemd-run", "--quiet", "--unit=replay", "python3", "/root/replay", "/root/info", str(REPLAYED)])
    assert wait_until(lambda: all(cli(host, name, "ping") == "PONG\n" for name in STORES), 20)
    assert wait_until(lambda: f":{REPLAYED} " in host.exec(["ss", "-Hltn"]).stdout, 20)  # else it is not in `before`
    return host


@pytest.fixture(scope="module")
def before(host: Host) -> list[str]:
    return state(host)


@pytest.fixture(scope="module")
def converge(fleet: Fleet, before: list[str], tmp_path_factory: pytest.TempPathFactory) -> Converge:
    """Run the playbook on the stores with these changes of their specification."""
    folder = tmp_path_factory.mktemp("inventory")

    def run(*words: str, **changes: object) -> str:
        stores = {name: {**store, **changes} for name, store in STORES.items()}
        said = {"stores": stores, "store_metrics_prometheus_host": "store1", "store_metrics_prometheus_dir": DIR}
        inventory = folder / "stores.json"
        inventory.write_text(json.dumps({"stores": {"hosts": {"store1": None}, "vars": said}}))
        return ansible(
            fleet, "ansible-playbook", "-i", inventory, *(words or ("playbooks/metrics.yml", "--diff"))
        ).stdout

    return run


def put(host: Host, path: str, text: str) -> None:
    host.exec(["sh", "-c", 'umask 077; printf %s "$1" > "$2"', "sh", text, path])


def cli(host: Host, store: str, *words: str) -> str:
    engine, port, password = (str(STORES[store][key]) for key in ("engine", "port", "password"))
    command = ["env", f"REDISCLI_AUTH={password}", f"{engine}-cli", "-p", port, *words]
    return host.exec(command, check=False).stdout


def get(host: Host, url: str) -> str:
    ask = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"
    return host.exec(["python3", "-c", ask, url]).stdout


def scrape(host: Host, port: int, more: str = "") -> str:
    return get(host, f"http://127.0.0.1:9121/scrape?target=redis://127.0.0.1:{port}{more}")


def value(scraped: str, series: str) -> float:
    (number,) = re.findall(rf"^{re.escape(series)} (\S+)$", scraped, re.MULTILINE)
    return float(number)


def changed(output: str) -> list[str]:
    """Tasks that changed something."""
    return re.findall(r"^TASK \[(?:\S+ : )?(.+?)\] \**\n(?:(?!^TASK).*\n)*?changed: ", output, re.MULTILINE)


def state(host: Host) -> list[str]:
    """What of the host a role could leave changed."""
    look = (
        "dpkg-query -W -f '${Package} ${Status}\n'; getent passwd; find /etc /usr/local /opt /srv /var/lib/systemd "
        "-not -path '/opt/tools/*' -printf '%p %y %m %u\n' | sort; ss -Hltn | awk '{print $4}' | sort; "
        "systemctl list-unit-files --type=service --no-legend | sort"
    )
    # What any package changes, and Debian keeps: the caches of the linker and of accounts, and their backups.
    noise = ("/etc/ld.so.cache", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-")
    return [line for line in host.exec(["sh", "-c", look]).stdout.splitlines() if not line.startswith(noise)]


def test_check_mode_says_what_a_run_then_does(host: Host, converge: Converge, before: list[str]) -> None:
    announced = converge("playbooks/metrics.yml", "--check", "--diff")
    assert state(host) == before
    done = converge()
    assert changed(announced) == changed(done) != []
    assert not re.search("|".join([QUEUE, CACHE]), announced + done)


def test_a_second_run_changes_nothing(converge: Converge) -> None:
    start = time.monotonic()
    output = converge()
    assert changed(output) == [] and "changed=0" in output
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("store", STORES)
def test_the_exporter_says_what_the_store_says(host: Host, store: str) -> None:
    cli(host, store, "config", "set", "maxmemory", STORES[store]["memory"])
    for number in range(7):
        cli(host, store, "set", f"key{number}", "x")
    cli(host, store, "get", "absent")
    cli(host, store, "no-such-command")
    scraped = scrape(host, STORES[store]["port"])
    assert value(scraped, "redis_up") == 1
    assert value(scraped, 'redis_db_keys{db="db0"}') == 7
    assert value(scraped, "redis_memory_max_bytes") == int(STORES[store]["memory"][:-2]) * 2**20
    assert value(scraped, "redis_keyspace_misses_total") >= 1
    recorded = ROOT / f"tests/data/metrics/{'redis-8.0' if store == 'shop-queue' else 'valkey-8.1'}.txt"
    assert names_in(recorded) <= names_of(scraped), "the recording that the unit tests use is out of date"


def test_what_a_recorded_dragonfly_becomes_is_as_recorded(host: Host) -> None:
    scraped = scrape(host, REPLAYED)
    assert value(scraped, "redis_up") == 1
    assert value(scraped, "redis_memory_max_bytes") == 2**30
    expected = names_in(ROOT / "tests/data/metrics/dragonfly-replayed.txt")
    assert expected == names_of(scraped)


def names_in(recorded: Path) -> set[str]:
    """The series that servers give; build information is left out of them by the unit."""
    return set(recorded.read_text().splitlines()[1:]) - {"redis_exporter_build_info"}


def names_of(scraped: str) -> set[str]:
    return set(re.findall(r"^redis_\w+", scraped, re.MULTILINE))


def test_no_value_of_a_key_is_shown_even_when_asked_for(host: Host) -> None:
    cli(host, "shop-queue", "set", "private", "whatitsays")
    assert "whatitsays" not in scrape(host, 7001, "&check-single-keys=db0=private&check-keys=" + quote("db0=*"))
    cli(host, "shop-queue", "del", "private")


def test_passwords_are_seen_nowhere(host: Host) -> None:
    unit = "benchfly-metrics.service"
    seen = host.ssh(f"ps -eww -o args; systemctl cat {unit}; systemctl show {unit}; sudo journalctl -q --no-pager")
    assert not re.search("|".join([QUEUE, CACHE]), seen.stdout)
    readable = "find / -xdev -type f -perm -o=r -size -1M -not -path '/usr/*' -not -path '/proc/*' -print0"
    search = f"{readable} | xargs -0 grep -lE '{QUEUE}|{CACHE}' || true; ls -l /etc/benchfly-metrics.json"
    assert host.exec(["sh", "-c", search]).stdout.startswith("-rw------- 1 root root")


def test_it_is_confined_and_reached_from_the_host_alone(host: Host, fleet: Fleet) -> None:
    scored = host.exec(["systemd-analyze", "security", "--no-pager", "benchfly-metrics.service"]).stdout
    (score,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", scored)
    assert float(score) <= 3.0
    listening = host.exec(["sh", "-c", "ss -Hltn | awk '{print $4}'"]).stdout.split()
    assert [address for address in listening if address.endswith(":9121")] == ["127.0.0.1:9121"]
    user = host.exec(["sh", "-c", "ps -o user= -p $(systemctl show -P MainPID benchfly-metrics)"]).stdout
    assert user.strip() not in ("", "root", "prometheus")


def test_rules_are_right_by_promtool(host: Host) -> None:
    tools = "/opt/tools/usr/bin/promtool"
    put(host, f"{DIR}/rules_test.yml", (ROOT / "tests/data/metrics/rules_test.yml").read_text())
    checked = host.exec([tools, "check", "rules", "--lint=all", "--lint-fatal", f"{DIR}/rules.yml"]).stdout
    assert re.search(r"SUCCESS: \d+ rules found", checked)
    assert "SUCCESS" in host.exec([tools, "test", "rules", f"{DIR}/rules_test.yml"]).stdout
    host.exec(["rm", f"{DIR}/rules_test.yml"])


@pytest.fixture
def ask(host: Host) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Asks a Prometheus that reads the files as they were written."""
    put(host, "/root/prometheus.yml", PROMETHEUS)
    options = [
        "--config.file=/root/prometheus.yml",
        "--storage.tsdb.path=/root/tsdb",
        "--web.listen-address=127.0.0.1:9090",
    ]
    host.exec(["systemd-run", "--quiet", "--unit=prometheus", "/opt/tools/usr/bin/prometheus", *options])

    def query(expression: str) -> list[dict[str, Any]]:
        try:
            answer = json.loads(get(host, f"http://127.0.0.1:9090/api/v1/query?query={quote(expression)}"))
        except Exception:  # it is starting
            return []
        return answer["data"]["result"]

    yield query
    host.exec(["systemctl", "stop", "prometheus"])


def test_prometheus_knows_each_store_by_name_and_sees_it_go(host: Host, ask: Callable[..., Any]) -> None:
    assert wait_until(lambda: len(ask("redis_up == 1")) == 2, 30)
    labels = {"host": "store1", "job": "stores", "__name__": "redis_up"}
    assert [answer["metric"] for answer in sorted(ask("redis_up"), key=lambda answer: answer["metric"]["store"])] == [
        {"instance": name, "store": name, "purpose": store["purpose"], "engine": store["engine"], **labels}
        for name, store in sorted(STORES.items())
    ]
    host.exec(["systemctl", "kill", "--signal=KILL", "plain-valkey"])
    assert wait_until(lambda: ask('redis_up{store="shop-cache"} == 0'), 20)
    down = wait_until(lambda: ask('ALERTS{alertname="StoreDown",store="shop-cache",alertstate="pending"}'), 20)
    host.exec(["systemctl", "reset-failed", "plain-valkey"], check=False)
    host.exec(["systemd-run", "--quiet", "--unit=plain-valkey", "valkey-server", "/root/valkey.conf"])
    assert down and wait_until(lambda: ask('redis_up{store="shop-cache"} == 1'), 20)


def test_a_user_for_metrics_takes_the_place_of_the_stores_password(host: Host, converge: Converge) -> None:
    for name in STORES:
        assert cli(host, name, "acl", "setuser", "metrics", *RULES.split()) == "OK\n"
    assert "Metrics | Run the exporter" in changed(converge(acl={"metrics": RULES}))
    kept = json.loads(host.exec(["cat", "/etc/benchfly-metrics.json"]).stdout)
    assert set(kept.values()) == {METRICS}
    scraped = scrape(host, 7001, "&check-keys=" + quote("db0=*"))
    assert value(scraped, "redis_up") == 1 and value(scraped, 'redis_db_keys{db="db0"}') == 7
    assert not re.search(r"^redis_key_(size|value)", scraped, re.MULTILINE), "it may read no key"
    assert changed(converge(acl={"metrics": RULES})) == []


def test_removal_leaves_the_host_as_it_was(host: Host, converge: Converge, before: list[str], tmp_path: Path) -> None:
    play = {"hosts": "stores", "gather_facts": False, "tasks": []}
    role = {"name": "benchfly.stores.store_metrics", "tasks_from": "remove"}
    playbook = tmp_path / "remove.yml"
    playbook.write_text(json.dumps([{**play, "tasks": [{"name": "Remove", "ansible.builtin.import_role": role}]}]))
    converge(str(playbook))
    host.exec(["sh", "-c", f"rm {DIR}/rules.yml {DIR}/dashboard.json {DIR}/history.json"])
    after = state(host)
    (kept,) = set(after) ^ set(before)
    assert kept.startswith("prometheus:x:"), "the user, which Debian's package keeps, as others may be using it"
    assert changed(converge(str(playbook))) == []
