"""The stand-in for Dragonfly ends where the real server was recorded to end, and never passes for it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from ansible_collections.benchfly.stores.plugins.module_utils.store_version import version_in
from demo.standin.environment import ensure_env
from tests.stores.servers import free_port

pytestmark = pytest.mark.stores

STANDIN = Path(__file__).parents[1] / "standins/dragonfly"
ANSWERS = Path(__file__).parents[1] / "data/dragonfly/answers.txt"
HELPFULL = Path(__file__).parents[1] / "data/dragonfly/helpfull.txt"


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | variables
    return subprocess.run(
        [str(STANDIN), *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=30, check=False
    )


# Exit codes and words of the real server, commit f8eca6d0b.
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--maxmemory-policy=allkeys-lru"], "ERROR: Unknown command line flag 'maxmemory-policy'"),
        (["--appendonly", "yes"], "ERROR: Unknown command line flag 'appendonly'"),
        (["--databases=32"], "ERROR: Unknown command line flag 'databases'"),
        (["--maxmemory=511mb", "--proactor_threads=2"], "There are 2 threads, so 512.00MiB are required. Exiting..."),
        (["--maxmemory=lots"], "ERROR: Illegal value 'lots' specified for flag 'maxmemory'; Use human-readable format"),
        (["--snapshot_cron=every hour"], "specified for flag 'snapshot_cron'; cron expression must have six fields"),
        (["--flagfile=/nowhere"], "ERROR: Can't open flagfile /nowhere"),
        (["--maxmemory=1gb", "--proactor_threads=1", "--tls"], "TLS configured but no authentication method is used!"),
        (["--maxmemory=1gb", "--proactor_threads=1", "--dbfilename=a.rdb"], "'.rdb' extension was given"),
    ],
)
def test_a_wrong_flag_ends_it_as_it_ends_the_real_one(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["--maxmemory=512mb ", '--maxmemory="512mb"', "--port 7000", "maxmemory=512mb"])
def test_a_flag_file_has_no_quotes_no_trailing_blanks_and_no_blank_for_an_equals_sign(
    tmp_path: Path, line: str
) -> None:
    (tmp_path / "flags").write_text(f"# a comment\n\n{line}\n")
    done = run(tmp_path, "--flagfile=flags")
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR: ")


def test_an_unknown_variable_aborts_it(tmp_path: Path) -> None:
    done = run(tmp_path, "--maxmemory=1gb", DFLY_nosuchflag="1")
    assert done.returncode == -signal.SIGABRT
    assert "unknown environment variable DFLY_nosuchflag" in done.stderr


def test_its_help_is_the_recorded_one_and_its_version_is_not(tmp_path: Path) -> None:
    help_text, version = run(tmp_path, "--helpfull"), run(tmp_path, "--version")
    assert (help_text.returncode, help_text.stdout) == (1, HELPFULL.read_text())
    assert (version.returncode, "stand-in" in version.stdout) == (0, True)


def test_whoever_asks_the_server_learns_that_it_is_a_stand_in(tmp_path: Path) -> None:
    port = free_port()
    arguments = [f"--port={port}", "--bind=127.0.0.1", "--maxmemory=512mb", "--proactor_threads=2", "--cache_mode"]
    env = ensure_env().variables | {"DFLY_requirepass": "s3cret"}
    with subprocess.Popen([str(STANDIN), *arguments], cwd=tmp_path, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            with answering(port, password="s3cret") as client:
                assert client.info("server")["executable"].endswith("/dragonfly-stand-in")
                assert "dragonfly_version" not in client.info("server")
                assert client.info("memory")["maxmemory_policy"] == "allkeys-lru"
                with pytest.raises(redis.exceptions.ResponseError, match="unknown command"):
                    client.object("freq", "key")
            assert b"dragonfly-stand-in" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert b"s3cret" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        finally:
            process.terminate()
    assert process.returncode == 0


def test_when_told_to_it_answers_as_the_real_server_was_recorded_to(tmp_path: Path) -> None:
    port = free_port()
    arguments = [f"--port={port}", "--bind=127.0.0.1", "--maxmemory=512mb", "--proactor_threads=2"]
    env = ensure_env().variables | {"STAND_IN_ANSWERS": "1"}
    lines = [line for line in ANSWERS.read_text().splitlines() if not line.startswith("#")]
    with subprocess.Popen([str(STANDIN), *arguments], cwd=tmp_path, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
                    break
                except ConnectionRefusedError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            with connection, connection.makefile("rb") as replies:
                for command, answer in zip(lines[::2], lines[1::2], strict=True):
                    words = [word.encode() for word in shlex.split(command.removeprefix("> "))]
                    packed = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
                    connection.sendall(b"*%d\r\n%s" % (len(words), packed))
                    assert replies.readline().decode().rstrip() == answer, command
        finally:
            process.terminate()
    assert process.returncode == 0


def test_a_file_beside_it_names_the_version_that_it_stands_in_for(tmp_path: Path) -> None:
    for part in (STANDIN, STANDIN.with_name("dragonfly_answers.py"), HELPFULL):
        copied = tmp_path / part.relative_to(STANDIN.parents[1])
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(part, copied)
    copy = tmp_path / "standins/dragonfly"
    copy.with_name("version").write_text("1.39.2\n")
    banner = subprocess.run([copy, "--version"], capture_output=True, text=True, check=True).stdout
    assert version_in(banner, "dragonfly") == "1.39.2-stand-in"
    port = free_port()
    arguments = [f"--port={port}", "--bind=127.0.0.1", "--maxmemory=512mb", "--proactor_threads=2"]
    with subprocess.Popen(
        [copy, *arguments], cwd=tmp_path, env=ensure_env().variables, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert answering(port).info("server")["dragonfly_version"] == "df-v1.39.2-stand-in"
        finally:
            process.terminate()
    assert process.returncode == 0


def answering(port: int, **options: Any) -> redis.Redis:
    """A client of the server there, as soon as it answers."""
    client = redis.Redis(port=port, decode_responses=True, **options)
    deadline = time.monotonic() + 30
    while True:
        try:
            client.ping()
            return client
        except redis.exceptions.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
