"""Download a file over HTTP atomically, and continue an interrupted download."""

import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from mtl.data.svhn.checksums import Progress
from mtl.errors import DataError

TIMEOUT = 30.0  # seconds without a byte
# Seconds to wait before the next attempt: longer after each attempt without progress.
PAUSES = (1.0, 2.0, 4.0, 8.0)
BLOCK = 1 << 16  # bytes

# Network failures. Not all of OSError: another attempt does not help with a full disk.
_FAILURES = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)
_RETRIED = (408, 429)  # timeout, too many requests; 500 and above are retried too
_RANGE_NOT_SATISFIABLE = 416
# Only HTTP: Python's default opener would follow a redirect to FTP.
_HANDLERS = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.UnknownHandler,
)


def check_free_space(path: str, size: int, why: str) -> None:
    """Raise DataError if the disk of `path` has less than `size` free bytes.

    Args:
      path: the file to write; it need not exist.
      why: the name of the file that needs the space, for the message.
    """
    folder = os.path.abspath(path)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    free = shutil.disk_usage(folder).free
    if free < size:
        what = f"needs {size / 1e6:.0f} MB in {folder}, but {free / 1e6:.0f} MB are free"
        raise DataError(f"{why}: {what}; free some space, or use another disk")


def fetch(
    url: str,
    path: str,
    size: int,
    difference: Callable[[str], str],
    say: Callable[[str], None],
    progress: Progress,
) -> None:
    """Download a file of known size to PATH.part, then rename it. Continues an existing PATH.part.

    Args:
      url: http or https.
      path: the file to write.
      size: bytes; no more are written.
      difference: function path -> str, how the downloaded file differs from the expected one, or
        "". A file that differs is deleted.
      say: function str -> None, called before another attempt.
      progress: called with the bytes received.

    Raises:
      DataError: the server does not answer or has another file, or the disk is too small. The
        message names the address.
    """
    part = f"{path}.part"
    have = _size(part)
    check_free_space(part, size - have, url)
    os.makedirs(os.path.dirname(part) or ".", exist_ok=True)
    _complete(url, part, size, say, progress)
    fault = difference(part)
    if fault and have:
        say(f"{url}: the part that an earlier run downloaded does not match; starting again")
        os.remove(part)
        _complete(url, part, size, say, progress)
        fault = difference(part)
    if fault:
        os.remove(part)  # otherwise the next run would continue it
        cure = "try another --url, or give --checksums"
        raise DataError(f"{url}: not the expected file ({fault}); {cure}")
    os.replace(part, path)


def _size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def _complete(url, part, size, say, progress):
    """Download the rest of a file. Retry until several attempts in a row make no progress."""
    # The largest size so far. A server that ignores Range starts again at 0 each time.
    most = _size(part)
    failures = 0  # attempts in a row without progress
    while _size(part) != size:
        reason = _attempt(url, part, size, progress)
        have = _size(part)
        if have == size:
            return
        if have > most:
            most, failures = have, 0
        else:
            failures += 1
        if failures > len(PAUSES):
            what = f"{have} of {size} bytes after {failures} failed attempts ({reason})"
            raise DataError(f"{url}: {what}; repeat the command later, or check --url")
        say(f"{url}: {reason}, {have} of {size} bytes downloaded; trying again")
        time.sleep(PAUSES[max(failures - 1, 0)])


def _attempt(url, part, size, progress):
    """Append the server's response to a file; return why it ended."""
    try:
        _append(url, part, size, progress)
        return "the connection was closed"
    except urllib.error.HTTPError as error:
        reason = f"the server answered {error.code} {error.reason}"
        if error.code == _RANGE_NOT_SATISFIABLE and os.path.exists(part):
            os.remove(part)  # longer than the file on the server, so it belongs to another file
        elif error.code < 500 and error.code not in _RETRIED:
            raise DataError(f"{url}: {reason}; check --url") from None
        return reason
    except _FAILURES as error:
        cause = getattr(error, "reason", error)
        return " ".join(str(cause).split()) or type(cause).__name__


def _append(url, part, size, progress):
    """Request the rest of a file once, and append the response."""
    have = _size(part) if _size(part) < size else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with _opener().open(request, timeout=TIMEOUT) as response:
        have = _check_response(url, response, have, size)
        with open(part, "ab" if have else "wb") as file:
            while have < size and (block := response.read(min(BLOCK, size - have))):
                file.write(block)
                have += len(block)
                progress(f"fetching {os.path.basename(url)}", have, size)


def _check_response(url, response, have, size):
    """Return the position in the file at which a response starts, in bytes.

    Raises:
      DataError: it is not the requested position, or the file has another size.
    """
    if response.status == 206:
        described = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)", described)
        fits = match and int(match[1]) == have and match[2] in ("*", str(size))
    else:  # the server ignores Range, and sends the file from the start
        described = response.headers.get("Content-Length")
        have, fits = 0, described in (None, str(size))
    if not fits:
        what = f"the server has another file ({described} instead of {size} bytes)"
        raise DataError(f"{url}: {what}; check --url, or give --checksums")
    return have


def _opener():
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    return opener
