"""Loop devices, which hold the hosts' disks."""

from __future__ import annotations

from pathlib import Path


def loops(file: Path) -> list[str]:
    """The devices that hold the file, or a file below the folder."""
    held = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            name = backing.read_text().strip()
        except OSError:  # let go of in this moment
            continue
        if Path(name.removesuffix(" (deleted)")).is_relative_to(file):
            held.append(backing.parts[3])
    return held
