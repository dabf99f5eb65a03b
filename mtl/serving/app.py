"""The HTTP application: routes, and what each does with a request."""

import asyncio
import concurrent.futures
from collections.abc import Callable

import numpy as np
from aiohttp import web

from mtl import machine
from mtl.reports import page as html
from mtl.serving import models, openapi, outputs, page, request_images, rest, v2, values
from mtl.serving.bodies import Bodies
from mtl.serving.calls import Call
from mtl.serving.current import Current, Serving
from mtl.serving.guard import guard
from mtl.serving.limits import Limits
from mtl.serving.metrics import CONTENT_TYPE, Metrics
from mtl.serving.refusals import Refused, bad, busy, quoted
from mtl.serving.signatures import DEFAULT

# A larger body is parsed in a thread, so that other requests go on meanwhile.
SMALL_BODY = 1 << 17
_MODEL = "/v1/models/{name:[^/:]+}"
_MODEL_V2 = "/v2/models/{name}"
_VERSION = "/versions/{version:[^/:]+}"


def build(
    current: Current, metrics: Metrics, limits: Limits, name: str, say: Callable[[str], None]
) -> tuple[web.Application, Callable[[], None]]:
    """Return the application of a server, and a function that reports that it is not ready.

    Args:
      current: the model, loaded.
      metrics: what /metrics reports.
      limits: of requests.
      name: of the model, in paths.
      say: called with one line for each fault of the server itself.
    """
    handlers = _Handlers(current, metrics, limits, name)
    app = web.Application(middlewares=[guard(metrics, say)], client_max_size=0)
    app.add_routes(
        [
            web.get("/", handlers.page),
            web.post("/predict", handlers.predict),
            web.get("/healthz", handlers.health),
            web.get("/metrics", handlers.metrics),
            web.get("/openapi.json", handlers.openapi),
            web.get("/v2", handlers.v2_server),
            web.get("/v2/health/live", handlers.live),
            web.get("/v2/health/ready", handlers.ready),
        ]
    )
    for version in ("", _VERSION):
        app.add_routes(
            [
                web.get(f"{_MODEL}{version}", handlers.status),
                web.get(f"{_MODEL}{version}/metadata", handlers.metadata),
                web.post(f"{_MODEL}{version}:predict", handlers.rest),
                web.get(f"{_MODEL_V2}{version}", handlers.v2_metadata),
                web.get(f"{_MODEL_V2}{version}/ready", handlers.v2_model_ready),
                web.post(f"{_MODEL_V2}{version}/infer", handlers.infer),
            ]
        )
    app.on_cleanup.append(handlers.close)
    return app, handlers.drain


class _Handlers:
    """One method for each route."""

    def __init__(self, current, metrics, limits, name):
        self._current = current
        self._metrics = metrics
        self._limits = limits
        self._name = name
        self._bodies = Bodies(limits)
        self._draining = False
        # Pillow decodes without Python's lock, so the threads use all cores.
        self._decoders = concurrent.futures.ThreadPoolExecutor(machine.cores(), "decoder")
        self._parser = concurrent.futures.ThreadPoolExecutor(1, "parser")

    def drain(self):
        """Tell load balancers to send no more requests."""
        self._draining = True

    async def close(self, app):
        self._decoders.shutdown(wait=False)
        self._parser.shutdown(wait=False)

    # -- the page, and one image -------------------------------------------------------------------

    async def page(self, request):
        model = self._current.serving.model
        text = page.render(self._name, model.version, model.tasks, model.inputs)
        return web.Response(text=text, content_type="text/html")

    async def predict(self, request):
        """Answer with the object of `mtl predict --json`; with ?seen=1 also the views, as PNG."""
        with self._current.serving as serving:
            _, inputs, named = await self._answered(request, serving, _one(serving))
            found = outputs.prediction(named, 0, serving.model.tasks)
            if request.query.get("seen") == "1" and serving.model.inputs.is_images:
                found["seen"] = [html.png(view) for view in models.seen(serving.model, inputs[0])]
            return _json(found)

    # -- TensorFlow Serving ------------------------------------------------------------------------

    async def rest(self, request):
        with self._asked(request, rest.unknown_model) as serving:

            def parse(body):
                return rest.parse(body, serving.signatures, self._limits.examples)

            call, _, named = await self._answered(request, serving, parse)
            return _json(rest.answer(named, call))

    async def status(self, request):
        return _json(rest.status(self._asked(request, rest.unknown_model).version))

    async def metadata(self, request):
        serving = self._asked(request, rest.unknown_model)
        return _json(rest.metadata(self._name, serving.version, serving.signatures))

    # -- the Open Inference Protocol ---------------------------------------------------------------

    async def infer(self, request):
        header = _header_length(request)
        with self._asked(request, v2.unknown_model) as serving:

            def parse(body):
                return v2.parse(body, header, serving.signatures, self._limits.examples)

            call, _, named = await self._answered(request, serving, parse)
            signature = serving.signatures[call.signature]
            body, size = v2.answer(named, call, self._name, serving.version, signature)
            if size is None:
                return web.Response(body=body, content_type="application/json")
            headers = {v2.HEADER: str(size)}
            return web.Response(body=body, content_type="application/octet-stream", headers=headers)

    async def v2_server(self, request):
        return _json(v2.server())

    async def v2_metadata(self, request):
        serving = self._asked(request, v2.unknown_model)
        return _json(v2.metadata(self._name, serving.version, serving.signatures))

    async def v2_model_ready(self, request):
        self._asked(request, v2.unknown_model)
        return await self.ready(request)

    async def live(self, request):
        return _json({"live": True})

    async def ready(self, request):
        return _json({"ready": not self._draining}, 503 if self._draining else 200)

    # -- operations --------------------------------------------------------------------------------

    async def health(self, request):
        if self._draining:
            raise busy("the server stops")
        return _json({"status": "ok", "version": self._current.serving.version})

    async def metrics(self, request):
        self._metrics.waiting.set(self._current.serving.batcher.waiting)
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def openapi(self, request):
        serving = self._current.serving
        return _json(openapi.describe(self._name, serving.model.tasks, serving.model.inputs))

    # -- the way of a request ----------------------------------------------------------------------

    def _asked(self, request, unknown) -> Serving:
        """Return the model that a path names; raise the error of `unknown` for another one."""
        serving = self._current.serving
        name, version = request.match_info["name"], request.match_info.get("version", "")
        if name != self._name or version not in ("", str(serving.version)):
            raise unknown(quoted(name).strip("'"), quoted(version).strip("'"))
        return serving

    async def _answered(self, request, serving, parse):
        """Receive a request and run the network; return its Call, the inputs and the outputs.

        Args:
          request: web.Request.
          serving: Serving, in `with`.
          parse: function bytes -> Call.
        """
        body = await self._bodies.read(request)
        try:
            if len(body) <= SMALL_BODY:
                call = parse(body)
            else:
                run = asyncio.get_running_loop().run_in_executor
                call = await self._timed(run(self._parser, parse, body))
            inputs = await self._inputs(serving, call)
            return call, inputs, await self._timed(serving.batcher.outputs(inputs))
        finally:
            self._bodies.release(body)

    async def _inputs(self, serving, call) -> np.ndarray:
        """Return the examples of a call as the network takes them; decode encoded images."""
        if isinstance(call.examples, np.ndarray):
            return call.examples
        settings = [call.examples, serving.model.inputs, self._limits.megapixels]
        run = asyncio.get_running_loop().run_in_executor
        return await self._timed(run(self._decoders, request_images.windows, *settings))

    async def _timed(self, work):
        """Wait for work; raise Refused if it takes too long."""
        try:
            return await asyncio.wait_for(work, self._limits.seconds)
        except asyncio.TimeoutError:
            what = f"no answer within {self._limits.seconds:g} seconds"
            raise Refused(504, f"{what}; try again, with fewer or smaller images") from None


def _one(serving):
    """Return the function that parses the body of /predict: one example."""
    if serving.model.inputs.is_images:
        return _image
    tensor = serving.signatures[DEFAULT].input

    def features(body):
        record = values.parse(body)
        if list(record) != [tensor.name]:
            raise bad(f'send {{"{tensor.name}": [...]}} with {tensor.shape[0]} numbers')
        return Call(DEFAULT, values.array([record[tensor.name]], tensor))

    return features


def _image(body):
    if not body:
        raise bad("the body is empty; send the bytes of an image file")
    return Call(DEFAULT, [body])


def _header_length(request):
    """Return the bytes of JSON in a body that binary data follows; None without it."""
    text = request.headers.get(v2.HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise bad(f"{v2.HEADER}: {quoted(text)} must be a number of bytes")
    return int(text)


def _json(record, status=200):
    return web.Response(body=values.dump(record), status=status, content_type="application/json")
