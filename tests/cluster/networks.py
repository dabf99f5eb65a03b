"""A network of its own for each process of a cluster, with a cable that a test may unplug.

Needs Linux, the command `ip` and the right to create network namespaces.
"""

import contextlib
import ctypes
import functools
import os
import subprocess

NEW_NET = 0x40000000  # CLONE_NEWNET of setns
FOLDER = "/run/netns"


class Networks:
    """Network namespaces that a switch connects."""

    def __init__(self, names):
        """Create them; names: list of str."""
        self._prefix = f"mtl{os.getpid()}"
        self._names = list(names)
        try:
            self._create()
        except BaseException:
            self.close()
            raise

    @property
    def addresses(self):
        """Return the addresses of the members, host:port."""
        return [f"10.0.0.{number}:2222" for number, _ in enumerate(self._names, start=1)]

    def path(self, name):
        """Return the argument of `enter`."""
        return f"{FOLDER}/{self._space(name)}"

    def unplug(self, name):
        """Cut the cable of a member."""
        _ip("-n", self._space("switch"), "link", "set", _port(name), "down")

    def plug(self, name):
        """Connect a member again."""
        _ip("-n", self._space("switch"), "link", "set", _port(name), "up")

    def close(self):
        """Delete the namespaces."""
        for name in ["switch", *self._names]:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", self._space(name))

    def _create(self):
        switch = self._space("switch")
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        for name, address in zip(self._names, self.addresses):
            space, port, host = self._space(name), _port(name), address.partition(":")[0]
            _ip("netns", "add", space)
            peer = ["peer", "name", "cable", "netns", space]
            _ip("-n", switch, "link", "add", port, "type", "veth", *peer)
            _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
            _ip("-n", space, "address", "add", f"{host}/24", "dev", "cable")
            for device in ("lo", "cable"):
                _ip("-n", space, "link", "set", device, "up")

    def _space(self, name):
        return self._prefix + _port(name)


@functools.cache
def are_allowed():
    """Return whether this process may create network namespaces."""
    try:
        Networks(["probe"]).close()
        return True
    except (OSError, subprocess.CalledProcessError):
        return False


def enter(path):
    """Move this thread, and those that it starts, into a network; see Networks.path."""
    with open(path, encoding="utf-8") as file:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(file.fileno(), NEW_NET):
            raise OSError(ctypes.get_errno(), path)


def _port(name):
    """Return the name of a member without a space."""
    return name.replace(" ", "")


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
