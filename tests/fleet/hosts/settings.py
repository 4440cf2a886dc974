"""Settings that the kernel has only once: each host gets a private copy, which it can write and read back.

Like the real ones they are as the machine has them after every boot. Unlike them they have no effect, least of all on
the machine. Settings of the network need none of this: they are each namespace's own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import struct
import threading
from pathlib import Path

PROC_SYS = """
fs/aio-max-nr fs/file-max fs/inotify/max_user_watches fs/nr_open fs/protected_fifos fs/protected_hardlinks
fs/protected_regular fs/protected_symlinks fs/suid_dumpable kernel/core_pattern kernel/kptr_restrict
kernel/numa_balancing kernel/panic kernel/perf_event_paranoid kernel/pid_max kernel/sysrq kernel/threads-max vm
"""
PATHS = [Path("/proc/sys") / name for name in PROC_SYS.split()]
PATHS += [Path("/sys/kernel/mm/transparent_hugepage") / name for name in ("enabled", "defrag")]
LIST = "list"
NUMBER = re.compile(r"-?\d+")
IN_CLOSE_WRITE, IN_IGNORED = 0x8, 0x8000
EVENT = struct.Struct("iIII")  # of a watched file: it carries no name


def copy_settings(folder: Path) -> None:
    """Copy the machine's values: below the folder a file, or a folder of files, lies at its own path.

    The file LIST names them, for the host's init to mount each in its place.
    """
    shutil.rmtree(folder, ignore_errors=True)
    copied = []
    for path in PATHS:
        for file in path.iterdir() if path.is_dir() else [path]:
            with contextlib.suppress(OSError):  # some can only be written, some not every kernel has
                value = file.read_bytes()
                copy = folder / file.relative_to("/")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(value)
                copy.chmod(0o644)
        if path.exists():
            copied.append(f"{path}\n")
    (folder / LIST).write_text("".join(copied))


def keep_settings(folder: Path) -> None:
    """From now on show what the host writes into a copy as the kernel would show it."""
    shown = {file: file.read_text() for file in folder.rglob("*") if file.is_file() and file.name != LIST}
    libc = ctypes.CDLL(None, use_errno=True)
    events = libc.inotify_init1(os.O_CLOEXEC)
    watched = {libc.inotify_add_watch(events, os.fsencode(file), IN_CLOSE_WRITE): file for file in shown}

    def keep() -> None:
        while watched:
            for number, what, _, _ in EVENT.iter_unpack(os.read(events, 4096)):
                file = watched[number]
                if what & IN_IGNORED:  # removed, for the next boot's copy
                    del watched[number]
                elif (now := file.read_text()) != shown[file]:
                    shown[file] = as_shown(shown[file], now)
                    if shown[file] != now:  # else the host's next value, written meanwhile, would be lost
                        file.write_text(shown[file])
        os.close(events)

    # A signal must reach the main thread: in another it would not wake that from what it waits for.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    threading.Thread(target=keep, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def as_shown(before: str, written: str) -> str:
    """What the kernel shows next: a choice among words, numbers, or a text. What it would refuse changes nothing."""
    words, wanted = before.split(), written.split()
    choices = [word.strip("[]") for word in words]
    if choices != words:
        chosen = [f"[{word}]" if [word] == wanted else word for word in choices]
        return " ".join(chosen) + "\n" if chosen != choices else before
    if all(NUMBER.fullmatch(word) for word in words):
        fits = len(wanted) == len(words) and all(NUMBER.fullmatch(word) for word in wanted)
        return "\t".join(wanted) + "\n" if fits else before
    return written.strip() + "\n"
