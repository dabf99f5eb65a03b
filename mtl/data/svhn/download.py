"""A file fetched over HTTP: continued where it was cut off, and under its name only when it is whole."""

import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from mtl.errors import DataError

TIMEOUT = 30.0  # seconds without a byte
PAUSES = (
    1.0,
    2.0,
    4.0,
    8.0,
)  # seconds before another try, each when one more has brought nothing new
BLOCK = 1 << 16  # bytes


def check_room(path: str, size: int, why: str) -> None:
    """Raise DataError where the disk has no `size` (int) free bytes to write `path` (str); why: str, what asks for them."""
    place = os.path.abspath(path)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    free = shutil.disk_usage(place).free
    if free < size:
        told = f"{size / 1e6:.0f} MB are needed in {place}, and {free / 1e6:.0f} MB are free"
        raise DataError(f"{why}: {told}: make room, or take another disk")


def fetch(
    url: str,
    path: str,
    size: int,
    differs: Callable[[str], str],
    say: Callable[[str], None],
    progress: Callable[[str, int, int], None],
) -> None:
    """Fetch a file of a known size; what has come stays in PATH.part, where the next call goes on.

    Args:
      url: str, http or https.
      path: str, what to write.
      size: int, bytes; no more are ever written.
      differs: function path -> str, what is wrong with the whole that has come, "" nothing; what is wrong is deleted.
      say: called with one line before another try.
      progress: called with (what, bytes that have come, size).

    Raises:
      DataError: the server does not answer, has another file, or there is no room; the message names the address.
    """
    part = f"{path}.part"
    have = _size(part)
    check_room(part, size - have, url)
    os.makedirs(os.path.dirname(part) or ".", exist_ok=True)
    _complete(url, part, size, say, progress)
    wrong = differs(part)
    if wrong and have:
        say(f"{url}: what an earlier run had fetched does not fit; begun anew")
        os.remove(part)
        _complete(url, part, size, say, progress)
        wrong = differs(part)
    if wrong:
        os.remove(part)  # or the next run would go on from it
        raise DataError(
            f"{url}: not the file that is expected ({wrong}): try another --url, or give --checksums"
        )
    os.replace(part, path)


def _size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


# What a network does. Not all of OSError: a full disk is no reason to try again.
_CUT = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


def _complete(url, part, size, say, progress):
    """Fetch what is missing of a file, in as many tries as bring something new."""
    most, vain = _size(part), 0
    while _size(part) != size:
        try:
            _continue(url, part, size, progress)
            reason = "the connection was cut"
        except urllib.error.HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
            if error.code == 416 and os.path.exists(
                part
            ):  # its file ends before what is here, which is of another one
                os.remove(part)
            elif error.code < 500 and error.code not in (408, 429):
                raise DataError(f"{url}: {reason}: check --url") from None
        except _CUT as error:
            cause = getattr(error, "reason", error)
            reason = " ".join(str(cause).split()) or type(cause).__name__
        have = _size(part)
        if have != size:
            # Against the most there ever was: a server that ignores Range begins anew each time, and could be cut for ever.
            most, vain = (have, 0) if have > most else (most, vain + 1)
            if vain > len(PAUSES):
                told = f"{have} of {size} bytes after {vain} vain tries ({reason})"
                raise DataError(f"{url}: {told}: repeat the command later, or check --url")
            say(f"{url}: {reason}, {have} of {size} bytes are here; tried again")
            time.sleep(PAUSES[max(vain - 1, 0)])


def _continue(url, part, size, progress):
    """Ask once for the rest of a file, and append what comes."""
    have = _size(part) if _size(part) < size else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with _opener().open(request, timeout=TIMEOUT) as response:
        if response.status == 206:
            told = response.headers.get("Content-Range", "")
            match = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)", told)
            fits = match and int(match[1]) == have and match[2] in ("*", str(size))
        else:  # Range is ignored: from the start
            told = response.headers.get("Content-Length")
            have, fits = 0, told in (None, str(size))
        if not fits:
            raise DataError(
                f"{url}: the server offers another file ({told}; {size} bytes are expected): check --url, or give --checksums"
            )
        with open(part, "ab" if have else "wb") as file:
            while have < size and (block := response.read(min(BLOCK, size - have))):
                file.write(block)
                have += len(block)
                progress(f"fetching {os.path.basename(url)}", have, size)


def _opener():
    """Return an opener for http and https alone: Python's own would follow a server to ftp, too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener
