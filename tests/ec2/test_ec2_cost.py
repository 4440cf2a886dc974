"""What work costs, by lists and by an endpoint in the form of AWS's price API, which moto 5 does not have."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.browser import sample
from tests.unit.test_benchmark_claims import UNTUNED, measured, said
from tests.unit.test_results_benchmarks import cli_json, home, kept

from benchfly import cli
from benchfly.aws import policy, prices
from benchfly.aws.prices import Prices
from benchfly.benchmark import Benchmark, Server, claims
from benchfly.benchmark.comparison import CAPACITY, Comparison, Row, Spread, compare
from benchfly.benchmark.cost import costs
from benchfly.errors import RefusedError

__all__ = ["home"]  # a fixture

HOURLY = {"c7g.2xlarge": "1.0000000000", "r7g.large": "0.5000000000"}  # no prices of AWS's: round, to be reckoned with
GIB = 1024**3


@pytest.fixture
def price_api(recorded: object, credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An endpoint that answers GetProducts in the form that AWS documents for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["X-Amz-Target"] == "AWSPriceListService.GetProducts"
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fields = {each["Field"]: each["Value"] for each in asked["Filters"]}
            assert (fields["operatingSystem"], fields["regionCode"]) == ("Linux", "eu-central-1")
            dimension = {"unit": "Hrs", "pricePerUnit": {"USD": HOURLY.get(fields["instanceType"], "")}}
            reserved = {"y": {"priceDimensions": {"z": {"unit": "Hrs", "pricePerUnit": {"USD": "0.1"}}}}}
            terms = {"OnDemand": {"x": {"priceDimensions": {"d": dimension}}}, "Reserved": reserved}
            found = [json.dumps({"terms": terms})] if fields["instanceType"] in HOURLY else []
            body = json.dumps({"FormatVersion": "aws_v1", "PriceList": found}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    server.server_close()


def on_ec2(types: dict[str, str]) -> Benchmark:
    """The sample, with each store on a host of its own of 16 GiB; a store's data takes 1 GiB."""
    whole = sample.benchmark()
    names = [server.name for server in whole.stores]
    stores = tuple(
        replace(server, host=f"host-{server.name}", memory_bytes=GIB, items=1_000_000) for server in whole.stores
    )
    environments = {f"host-{name}": {"instance_type": types.get(name, ""), "memory": 16 * GIB} for name in names}
    return replace(whole, stores=stores, environments=environments, outputs=())


def with_capacity(benchmark: Benchmark, rates: dict[str, Spread]) -> Comparison:
    comparison = compare(benchmark.trials, [server.name for server in benchmark.stores])
    rows = [
        Row(metric=CAPACITY, store=name, spread=spread, ratio=None, interval=spread) for name, spread in rates.items()
    ]
    return replace(comparison, rows=tuple(rows))


@pytest.mark.usefixtures("price_api")
def test_cost_of_operations_data_and_items(recorded: Callable[[], set[str]]) -> None:
    one, other = (server.name for server in sample.benchmark().stores)
    benchmark = on_ec2({one: "c7g.2xlarge", other: "r7g.large"})
    known = prices.on_demand(["c7g.2xlarge", "r7g.large"], "eu-central-1")
    assert recorded() == {call.call for call in policy.uses()["prices"].calls}
    rates = {one: Spread(100_000.0, 50_000.0, 200_000.0)}
    first, second = costs(benchmark, with_capacity(benchmark, rates), known)
    # 1 a hour is 1/3600 a second; in a second 100,000 operations: 10 seconds for a million.
    assert first.operations and first.operations.median == pytest.approx(10 / 3600)
    assert (first.operations.low, first.operations.high) == pytest.approx((5 / 3600, 20 / 3600))
    # 16 GiB hold 16 x 0.9 / 1.25 times those 1,000,000 items, at 730 a month.
    items = 16 * 0.9 / 1.25 * 1_000_000
    assert first.items == pytest.approx(730 / (items / 1000))
    payload = benchmark.workload.bytes / sum(family.items for family in benchmark.workload.families)
    assert first.data == pytest.approx(730 / (items * payload / 1e9))
    assert second.hourly == 0.5 and second.operations is None and "no capacity" in second.why
    assert second.items and first.items and second.items == pytest.approx(first.items / 2)


@pytest.mark.usefixtures("price_api")
def test_the_command_says_what_it_knows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one, other = (server.name for server in sample.benchmark().stores)
    run = kept(on_ec2({one: "c7g.2xlarge", other: "x9.huge"}))
    code, told = cli_json(capsys, "cost", run.id, "--region", "eu-central-1")
    assert code == 0 and [each["hourly"] for each in told["costs"]] == [1.0, None]
    assert told["costs"][1]["why"] == "no price of x9.huge is known"
    with pytest.raises(SystemExit, match="0"):
        cli.main(["aws", "prices", "c7g.2xlarge", "--region", "eu-central-1"])
    list_ = tmp_path / "ours.yml"
    list_.write_text(capsys.readouterr().out.replace("1.0", "0.25"))
    code, told = cli_json(capsys, "cost", run.id, "--region", "eu-central-1", "--prices", str(list_))
    assert [each["hourly"] for each in told["costs"]] == [0.25, None]
    with pytest.raises(SystemExit, match="3"):
        cli.main(["aws", "prices", "x9.huge", "--region", "eu-central-1"])


def test_without_the_api_a_dated_list_counts(
    credentials: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    known = prices.on_demand(["m7g.large", "c7g.2xlarge"], "us-east-1")
    found = prices.price("m7g.large", known)
    assert found and isinstance(found[1].as_of, date) and found[1].source.startswith("https://")
    assert prices.price("c7g.2xlarge", known) is None  # never guessed
    assert prices.on_demand(["m7g.large"], "eu-central-1") == []
    for content in (b"- {region: x}", b"5", b"- [1]", b"\xff"):
        (tmp_path / "wrong.yml").write_bytes(content)
        with pytest.raises(RefusedError, match=r"wrong.yml is no list of prices: .*`benchfly aws prices TYPE"):
            prices.on_demand(["m7g.large"], "us-east-1", tmp_path / "wrong.yml")


def test_what_is_listed_is_read_again(tmp_path: Path) -> None:
    given = Prices("eu-central-1", "USD", date(2026, 11, 26), "an offer", {"c7g.2xlarge": 0.25})
    (tmp_path / "ours.yml").write_text(prices.listed(given))
    assert prices.on_demand(["c7g.2xlarge"], "eu-central-1", tmp_path / "ours.yml") == [given]


@pytest.mark.parametrize(("ratio", "verdict"), [(3.0, claims.HOLDS), (2.0, claims.FAILS), (0.9, claims.FAILS)])
def test_sixty_per_cent_lower_cost_is_two_and_a_half_times_the_operations(ratio: float, verdict: str) -> None:
    assert said("cost", [measured(ratio)], UNTUNED) == (verdict, "run r1")


def test_hosts_of_several_types_do_not_judge_the_claim() -> None:
    evidence = measured(3.0)
    stores = [replace(server, host=server.name) for server in evidence.benchmark.stores]
    environments = {"old": {"instance_type": "r7g.large"}, "new": {"instance_type": "c7g.large"}}
    benchmark = replace(evidence.benchmark, stores=tuple(stores), environments=environments)
    verdict, why = said("cost", [replace(evidence, benchmark=benchmark)], UNTUNED)
    assert verdict == claims.UNJUDGED and why.startswith("the stores ran on r7g.large and c7g.large")
    assert all(isinstance(server, Server) for server in stores)
