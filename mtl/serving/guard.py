"""What every request passes: errors become JSON, and metrics and headers of security are added."""

import sys
import time
import traceback
from collections.abc import Callable

from aiohttp import web

from mtl.serving import values
from mtl.serving.metrics import Metrics
from mtl.serving.refusals import Refused

UNKNOWN = "unknown"  # the route of a path that does not exist
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "mtl",
    "X-Content-Type-Options": "nosniff",
}


def guard(metrics: Metrics, say: Callable[[str], None]):
    """Return the middleware of the application.

    Args:
      metrics: counts each request.
      say: called with one line for each fault of the server. The line has no part of a request.
    """

    @web.middleware
    async def middleware(request, handler):
        start = time.monotonic()
        try:
            response = await handler(request)
        except Refused as error:
            response = _error(error.status, error.message)
        except web.HTTPException as error:  # a path or a method that does not exist
            response = _error(error.status, _reason(request, error))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except (ConnectionError, web.RequestPayloadError):
            response = _error(400, "the connection or the body ended too early")
        except MemoryError:
            response = _error(503, "out of memory; try again with fewer or smaller images")
        except Exception as error:
            say(f"fault of the server: {_where(error)}")
            response = _error(500, "fault of the server; its log has the place")
        response.headers.update(_HEADERS)
        if response.status == 503:
            response.headers["Retry-After"] = "1"
        metrics.request(_route(request), response.status, time.monotonic() - start)
        return response

    return middleware


def not_http(status: int) -> web.Response:
    """Return the answer to bytes that are not HTTP; it also closes the connection."""
    response = _error(status, "not a valid HTTP request; correct its first line and its headers")
    response.headers.update(_HEADERS)
    response.force_close()
    return response


def _error(status, message):
    return web.Response(
        body=values.dump({"error": message}), status=status, content_type="application/json"
    )


def _reason(request, error):
    """Return the message for a path or method that does not exist, without the path itself."""
    if error.status == 404:
        return "no such path; GET /openapi.json lists them"
    if error.status == 405:
        allowed = error.headers.get("Allow", "another method")
        return f"this path takes {allowed}, not {request.method[:20]}"
    return error.reason


def _route(request):
    """Return the pattern of a path. The path itself could hold anything."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNKNOWN


def _where(error):
    """Return the type and the place of an error. Its message could hold a part of a request."""
    frame = traceback.extract_tb(error.__traceback__ or sys.exc_info()[2])[-1]
    return f"{type(error).__name__} in {frame.name}, {frame.filename}:{frame.lineno}"
