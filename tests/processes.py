"""What processes use, read from /proc: Linux only."""

import collections
import os
import pathlib
from typing import NamedTuple


class Used(NamedTuple):
    """What processes use."""

    memory: int  # bytes
    open_files: int
    threads: int
    seconds: float  # processor time


def family(pid):
    """List the pids of a process and its descendants, the process first."""
    children = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        fields = _stat(name) if name.isdigit() else None
        if fields:
            children[int(fields[1])].append(int(name))
    found = [pid]
    for each in found:  # the list grows during the loop
        found += children[each]
    return found


def _stat(pid):
    """Return the fields of /proc/PID/stat from the third on; None if the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name of the program is in brackets and may contain any character.
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def used(pids):
    """Return the sums of what processes use."""
    memory = open_files = threads = ticks = 0
    for pid in pids:
        fields = _stat(pid)
        try:
            open_files += len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            continue  # the process has just ended
        if fields:
            memory += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
            threads += int(fields[17])
            ticks += int(fields[11]) + int(fields[12])
    return Used(memory, open_files, threads, ticks / os.sysconf("SC_CLK_TCK"))


def peak_memory(pid):
    """Return the peak resident MB of a process; 0.0 if it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
