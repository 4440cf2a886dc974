"""Answers as Dragonfly was recorded to answer where that matters to Frappe and RQ; all else is the engine's own.

It stands between clients and a redis-server. What Dragonfly answers differently is turned into a script that has the
engine answer so, in its place among the other replies; so replies are passed on unread.
"""

import asyncio
import ctypes
import hashlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

NO_TRACKING = "ERR Client tracking is currently not supported for RESP2. Please use RESP3."
NO_SUBCOMMAND = "ERR Unknown subcommand or wrong number of arguments for '{}'. Try CLIENT HELP."
TOO_LONG = "ERR Protocol error: -ERR Protocol error: invalid multibulk length"
LACKING = ("TRACKINGINFO", "GETREDIR", "NO-EVICT", "NO-TOUCH", "REPLY", "UNBLOCK")

KEYS = """
local keys, limit = redis.call('KEYS', ARGV[1]), tonumber(ARGV[2])
while #keys > limit do keys[#keys] = nil end
return keys"""
INFO = """
local info = redis.call('INFO', unpack(ARGV, 3))
if not ARGV[3] then info = string.gsub(info, '# Persistence.-\\r\\n\\r\\n', '') end
info = string.gsub(info, 'tcp_port:0', 'tcp_port:' .. ARGV[2])
info = string.gsub(info, 'redis_version:[^\\r]*', 'redis_version:7.4.0\\r\\ndragonfly_version:df-' .. ARGV[1])
return (string.gsub(info, 'maxmemory_policy:allkeys%-lru', 'maxmemory_policy:eviction'))"""
# Runs a script that may use the keys it declared and no others.
DECLARED = """
local declared, real, upper = {}, redis, string.upper
for _, key in ipairs(KEYS) do declared[key] = true end
local free = {DBSIZE = 1, KEYS = 1, PING = 1, PUBLISH = 1, RANDOMKEY = 1, SCAN = 1, TIME = 1}
local every = {DEL = 1, EXISTS = 1, MGET = 1, TOUCH = 1, UNLINK = 1}
local function guarded(call)
  return function(name, ...)
    for number, key in ipairs(free[upper(name)] and {} or {...}) do
      if (number == 1 or every[upper(name)]) and not declared[key] then error('undeclared:' .. key, 0) end
    end
    return call(name, ...)
  end
end
local redis = setmetatable({call = guarded(real.call), pcall = guarded(real.pcall)}, {__index = real})
local done, result = pcall(function()
%s
end)
if done then return result end
local key = string.match(tostring(result), '^undeclared:(.*)')
if not key then error(result) end
local told = '@user_script:2: -ERR script tried accessing undeclared key, key: ' .. key
return real.error_reply('ERR Error running script (call to %s): ' .. told)
"""


def script(text, *arguments):
    return [b"EVAL", text.encode(), b"0", *(str(argument).encode() for argument in arguments)]


def refused(text):
    return script("return redis.error_reply(ARGV[1])", text)


def packed(words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    """One connection, as CLIENT LIST shows it."""

    def __init__(self, number, writer):
        self.number, self.writer, self.born = number, writer, time.time()
        self.name, self.http, self.resp = str(number), False, 2

    def line(self):
        sides = (self.writer.get_extra_info(name) for name in ("peername", "sockname"))
        address, local = (f"{side[0]}:{side[1]}" for side in sides)
        name = "http=true" if self.http else f"name={self.name}"
        age = int(time.time() - self.born)
        return (
            f"id={self.number} addr={address} laddr={local} fd=9 {name} tid=0 irqmatch=1 age={age} idle=0 tot-cmds=1 "
            "tot-net-in=1 tot-read-calls=1 tot-dispatches=0 db=0 phase=readsock lib-name= lib-ver=\n"
        )


class Answers:
    """Between the clients and the engine at a unix socket."""

    def __init__(self, flags, version, engine):
        self.flags, self.version, self.engine = flags, version, engine
        self.clients, self.scripts, self.count = {}, {}, 0

    async def serve(self, reader, writer):
        self.count += 1
        client = self.clients[self.count] = Client(self.count, writer)
        upstream = None
        try:
            first = await reader.readline()
            if first.startswith(b"GET ") and b"HTTP/1.1" in first and self.flags["primary_port_http_enabled"] == "true":
                client.http = True
                body = b"# HELP dragonfly_version\n"
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                )
                await reader.read(-1)
                return
            replies, upstream = await asyncio.open_unix_connection(self.engine)
            passing = asyncio.create_task(self.passed_on(replies, writer))
            await self.commands(first, reader, upstream, client)
            upstream.write_eof()
            await passing
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.clients.pop(client.number)
            for stream in (writer, upstream):
                if stream:
                    stream.close()

    @staticmethod
    async def passed_on(replies, writer):
        while data := await replies.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def commands(self, line, reader, upstream, client):
        while line:
            if line.startswith(b"*") and int(line[1:]) > int(self.flags["max_multi_bulk_len"]):
                upstream.write(packed(refused(TOO_LONG)))
                return
            if line.startswith(b"*"):
                words = []
                for _ in range(int(line[1:])):
                    length = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(length + 2))[:-2])
                line = packed(self.instead(words, client)) if words else b""
            upstream.write(line)
            await upstream.drain()
            line = await reader.readline()

    def instead(self, words, client):
        """What the engine is asked instead."""
        name, arguments = words[0].upper().decode(errors="replace"), words[1:]
        if name == "HELLO" and arguments[:1] == [b"3"]:
            client.resp = 3
        if name == "CLIENT" and arguments:
            return self.of_clients(arguments[0].upper().decode(errors="replace"), words, client)
        if name == "KEYS" and len(arguments) == 1:
            return script(KEYS, arguments[0].decode("latin-1"), self.flags["keys_output_limit"])
        if name == "INFO":
            return script(INFO, self.version, self.flags["port"], *(argument.decode() for argument in arguments))
        if name == "SCRIPT" and arguments[:1] and arguments[0].upper() == b"LOAD":
            self.scripts[hashlib.sha1(arguments[1]).hexdigest()] = arguments[1].decode()
        if name in ("EVAL", "EVALSHA") and arguments:
            return self.of_scripts(name, words)
        return words

    def of_clients(self, subcommand, words, client):
        if subcommand == "TRACKING":
            if client.resp == 2:
                return refused(NO_TRACKING)
            return refused("ERR syntax error") if b"REDIRECT" in [word.upper() for word in words] else words
        if subcommand in LACKING:
            return refused(NO_SUBCOMMAND.format(subcommand))
        if subcommand == "LIST":
            return script("return ARGV[1]", "".join(other.line() for other in self.clients.values()))
        if subcommand == "ID":
            return script("return tonumber(ARGV[1])", client.number)
        if subcommand == "SETINFO":
            return script("return redis.status_reply('OK')")
        if subcommand == "SETNAME":
            client.name = words[2].decode()
        return words

    def of_scripts(self, name, words):
        text = words[1].decode() if name == "EVAL" else self.scripts.get(words[1].decode().lower())
        if text is None:
            return words
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.scripts[sha] = text
        allowed = sha in self.flags["lua_undeclared_keys_shas"].split(",")
        if allowed or "allow-undeclared-keys" in self.flags["default_lua_flags"] + text.partition("\n")[0]:
            return words
        return [b"EVAL", (DECLARED % (text, sha)).encode(), *words[2:]]


async def answer(flags, version, redis, conf):
    """Start the engine, answer until it ends, and end as it ended."""
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
        engine = f"{folder}/engine"
        conf.write_text(conf.read_text() + f'\nport 0\nunixsocket "{engine}"\n')
        process = await asyncio.create_subprocess_exec(
            "dragonfly-stand-in", str(conf), executable=redis, preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 9)
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, process.send_signal, number)
        while not Path(engine).exists() and process.returncode is None:
            await asyncio.sleep(0.02)
        answers = Answers(flags, version, engine)
        await asyncio.start_server(answers.serve, flags["bind"] or None, int(flags["port"]), limit=2**26)
        code = await process.wait()
    sys.stdout.flush()
    os._exit(code)
