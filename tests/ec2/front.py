"""What stands in front of moto's server: it notes every call, can refuse one in AWS's words, and can kill who made it.

moto 5 has no placement groups. What stands in for them here knows the three calls that a lab makes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

READS = ("Describe", "Get", "List")
_SCOPE = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")


@dataclass(frozen=True)
class Call:
    """A request as AWS would log it."""

    region: str
    service: str
    action: str
    parameters: dict[str, str]

    @property
    def reads(self) -> bool:
        return self.action.startswith(READS)


@dataclass
class PlacementGroup:
    """What moto does not know: where it is, its tags, and the instances in it that have not ended."""

    region: str
    tags: dict[str, str]
    instances: set[bytes] = field(default_factory=set)


@dataclass
class Front:
    """A server before another. `refusals`: action -> the code and message that it is refused with, and how often."""

    behind: str
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    refusals: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    prices: dict[str, float] = field(default_factory=dict)  # which moto has not: dollars an hour by instance type
    replies: dict[str, str] = field(default_factory=dict)  # what else it answers itself, as XML
    groups: dict[str, PlacementGroup] = field(default_factory=dict)
    kill_after: Callable[[Call], int | None] = lambda call: None

    def changes(self) -> list[str]:
        """The actions that changed something, in order."""
        return [call.action for call in self.calls if call.service == "ec2" and not call.reads]

    def answer(self, call: Call, forward: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        """Status and body for a call."""
        code, message, times = self.refusals.get(call.action, ("", "", 0))
        if times:
            self.refusals[call.action] = (code, message, times - 1)
            return 503 if code == "RequestLimitExceeded" else 400, _error(code, message)
        if call.action == "GetProducts":
            return 200, _products(call, self.prices)
        if call.action in self.replies:
            return 200, _response(call.action, self.replies[call.action])
        if "PlacementGroup" in call.action:
            return self._placement_group(call)
        group = call.parameters.get("Placement.GroupName", "")
        if call.action == "RunInstances" and group and group not in self.groups:
            return 400, _error("InvalidPlacementGroup.Unknown", f"The Placement Group '{group}' is unknown.")
        status, body = forward()
        if call.action == "RunInstances" and group:
            self.groups[group].instances |= set(re.findall(rb"<instanceId>([^<]+)", body))
        if call.action == "TerminateInstances":
            for each in self.groups.values():
                each.instances -= set(re.findall(rb"<instanceId>([^<]+)", body))
        return status, body

    def _placement_group(self, call: Call) -> tuple[int, bytes]:
        name = call.parameters.get("GroupName", "")
        match call.action:
            case "CreatePlacementGroup":
                assert call.parameters["Strategy"] == "cluster"
                self.groups[name] = PlacementGroup(call.region, dict(_tags(call.parameters)))
                return 200, _response(call.action, "<return>true</return>")
            case "DeletePlacementGroup" if name not in self.groups:
                return 400, _error("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
            case "DeletePlacementGroup" if self.groups[name].instances:
                return 400, _error("InvalidPlacementGroup.InUse", f"The placement group {name} is in use.")
            case "DeletePlacementGroup":
                del self.groups[name]
                return 200, _response(call.action, "<return>true</return>")
        wanted = call.parameters.get("Filter.1.Value.1", "")
        found = "".join(
            f"<item><groupName>{name}</groupName><state>available</state><tagSet>{_items(group.tags)}</tagSet></item>"
            for name, group in self.groups.items()
            if group.region == call.region and (wanted in group.tags or wanted in group.tags.values())
        )
        return 200, _response(call.action, f"<placementGroupSet>{found}</placementGroupSet>")


@contextmanager
def front(behind: str) -> Iterator[Front]:
    """A Front before the server at that address, until the end of the block."""
    found = Front(behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = _call(self, body)
            found.calls.append(call)
            headers: list[tuple[str, str]] = []

            def forward() -> tuple[int, bytes]:
                connection = http.client.HTTPConnection(urlsplit(behind).netloc, timeout=60)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                headers.extend(answer.getheaders())
                connection.close()
                return answer.status, content

            status, content = found.answer(call, forward)
            if pid := found.kill_after(call):
                os.kill(pid, signal.SIGKILL)
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "connection", "server", "date", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815, the names are http.server's

        def handle(self) -> None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # whoever asked was killed
                super().handle()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()


def _call(request: BaseHTTPRequestHandler, body: bytes) -> Call:
    scope = _SCOPE.search(request.headers.get("Authorization") or "")
    region, service = scope.groups() if scope else ("", "")
    target = request.headers.get("X-Amz-Target")
    if target:
        return Call(region, service, target.rpartition(".")[2], {"body": body.decode()})
    if service == "s3":
        return Call(region, service, f"{request.command} {urlsplit(request.path).path}", {})
    given = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
    return Call(region, service, given.get("Action", ""), given)


def _tags(parameters: dict[str, str]) -> Iterator[tuple[str, str]]:
    number = 1
    while f"TagSpecification.1.Tag.{number}.Key" in parameters:
        place = f"TagSpecification.1.Tag.{number}"
        yield parameters[f"{place}.Key"], parameters[f"{place}.Value"]
        number += 1


def _products(call: Call, prices: dict[str, float]) -> bytes:
    """As AWS's price API answers for one type."""
    asked = {each["Field"]: each["Value"] for each in json.loads(call.parameters["body"])["Filters"]}
    amount = prices.get(asked["instanceType"])
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": str(amount)}}
    product = json.dumps({"terms": {"OnDemand": {"x": {"priceDimensions": {"d": dimension}}}}})
    return json.dumps({"FormatVersion": "aws_v1", "PriceList": [product] if amount else []}).encode()


def _items(tags: dict[str, str]) -> str:
    return "".join(f"<item><key>{key}</key><value>{escape(value)}</value></item>" for key, value in tags.items())


def _response(action: str, content: str) -> bytes:
    where = "http://ec2.amazonaws.com/doc/2016-11-15/"
    return f'<{action}Response xmlns="{where}"><requestId>1</requestId>{content}</{action}Response>'.encode()


def _error(code: str, message: str) -> bytes:
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>".encode()


def everything(ec2: Any, groups: Iterable[str]) -> dict[str, list[str]]:
    """All that is in a region and could be left behind, by kind."""
    instances = [one for each in ec2.describe_instances()["Reservations"] for one in each["Instances"]]
    return {
        "instances": [one["InstanceId"] for one in instances if one["State"]["Name"] != "terminated"],
        "volumes": [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]],
        "interfaces": [one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]],
        "security groups": sorted(one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]),
        "key pairs": [one["KeyName"] for one in ec2.describe_key_pairs()["KeyPairs"]],
        "addresses": [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]],
        "spot requests": [
            one["SpotInstanceRequestId"] for one in ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
        ],
        "placement groups": sorted(groups),
    }
