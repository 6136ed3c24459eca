"""The server: routes, limits and security of its HTTP interface."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segue.builtin_spaces import builtin_spaces
from segue.errors import BadArgument, SegueError
from segue.store import Store
from segue.web import audiomuse, media, subsonic
from segue.web.accounts import Accounts, FailureLimit
from segue.web.answers import GENERIC, NOT_FOUND, ApiError, envelope, failure, render
from segue.web.calls import Call, Session
from segue.web.catalog import CurrentCatalog
from segue.web.transcode import Transcoders

if TYPE_CHECKING:
    from segue.library import Library

LOOPBACK: Final = "127.0.0.1"
_THREADS: Final = 8
_MAX_BODY: Final = 1 << 20  # bytes
_MAX_PARAMETERS: Final = 20_000
_MAX_CONNECTIONS: Final = 300
_HTTP_METHODS: Final = ["GET", "HEAD", "POST"]
#: Headers of every answer; nothing that the server sends is a page.
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"same-origin"),
)
Result = TypeVar("Result")


class Server:
    """A server of one library.

    Parameters
    ----------
    folder : Path
        Folder of the library.
    host : str
        Address that it listens on.
    allowed_hosts : sequence of str
        Names, besides addresses, by which it may be called.
    allowed_origins : sequence of str
        Origins of web players, as ``https://player.example``, that browsers may let call it.

    Attributes
    ----------
    app : ASGI application
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = LOOPBACK,
        allowed_hosts: Sequence[str] = (),
        allowed_origins: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._accounts = Accounts(folder)
        self._failures = FailureLimit()
        self._catalog = CurrentCatalog()
        self._session = Session()
        self._covers = media.CoverArt()
        self._transcoders = Transcoders()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="library")
        self._local = threading.local()
        routes = [
            Route("/rest/{method}", self._subsonic, methods=_HTTP_METHODS),
            Route("/api/{method:path}", self._audiomuse, methods=["GET", "HEAD"]),
        ]
        app = Starlette(routes=routes)
        self.app: ASGIApp = _Guard(app, _host_names(host, allowed_hosts), allowed_origins)

    async def _subsonic(self, request: Request) -> Response:
        """Answer a method of the Subsonic API."""
        try:
            parameters = await _parameters(request)
        except ApiError as error:
            return _rendered(failure(error.code, str(error)), {}, 413)
        method = request.path_params["method"].removesuffix(".view")
        try:
            if method == "getOpenSubsonicExtensions":
                return _rendered(envelope(subsonic.extensions()), parameters)
            return await self._answer(request, method, parameters)
        except ApiError as error:
            return _rendered(failure(error.code, str(error)), parameters, error.status)
        except SegueError as error:  # the file of the users is damaged
            return _rendered(failure(GENERIC, str(error)), parameters, 503)

    async def _answer(
        self, request: Request, method: str, parameters: Mapping[str, Sequence[str]]
    ) -> Response:
        address = request.client.host if request.client else ""

        def run() -> Response:
            user = subsonic.authenticate(self._accounts, self._failures, address, parameters)
            call = self._call(user, parameters)
            if method == "stream":
                return media.stream(call, self._transcoders)
            if method == "download":
                return media.download(call, self._transcoders)
            if method == "getCoverArt":
                return self._covers.get(call)
            return _rendered(envelope(subsonic.answer(method, call)), parameters)

        response = await self._in_thread(run)
        if request.method == "HEAD" and isinstance(response, StreamingResponse):
            head = Response(headers=dict(response.headers))
            del head.headers["content-length"]  # it is not known
            return head
        return response

    async def _audiomuse(self, request: Request) -> Response:
        """Answer a method of an AudioMuse-AI server; the API key is a bearer token."""
        function = audiomuse.METHODS.get(request.path_params["method"])
        if function is None:
            return JSONResponse({"error": "there is no such method"}, 404)
        address = request.client.host if request.client else ""
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if self._failures.must_wait(address):
            return JSONResponse({"error": "too many wrong keys; wait a minute"}, 429)
        try:
            user = self._accounts.user_of_key(key.strip()) if kind.lower() == "bearer" else None
            if user is None:
                if key:
                    self._failures.add(address)
                text = "an API key is needed as a bearer token; `segue serve users key` makes one"
                return JSONResponse({"error": text}, 401, {"WWW-Authenticate": "Bearer"})
            parameters = await _parameters(request)
            name = user
            content = await self._in_thread(lambda: function(self._call(name, parameters)))
        except ApiError as error:
            status = 404 if error.code == NOT_FOUND else 400
            return JSONResponse({"error": str(error)}, status)
        except SegueError as error:
            return JSONResponse({"error": str(error)}, 503)
        return JSONResponse(content)

    def _call(self, user: str, parameters: Mapping[str, Sequence[str]]) -> Call:
        """Begin a call in a thread of the pool, with the library that this thread has open."""
        try:
            library, store = self._open()
            return Call(library, store, self._catalog.get(store), self._session, user, parameters)
        except SegueError as error:
            raise ApiError(GENERIC, str(error)) from None

    def _open(self) -> "tuple[Library, Store]":
        """Return the library that this thread has open: SQLite's connections stay in a thread."""
        from segue.library import Library

        opened: tuple[Library, Store] | None = getattr(self._local, "opened", None)
        if opened is None:
            store = Store(self._folder, builtin_spaces().values())
            opened = self._local.opened = (Library(store), store)
        return opened

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


class _Guard:
    """Refuses calls under a foreign host name, and adds headers to all answers.

    A page of the web can have its own name resolve to this machine (DNS rebinding); the name in
    the header Host gives it away.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str], origins: Sequence[str]) -> None:
        self._app = app
        self._names = names
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin", b"").decode("latin-1")
        added = list(_HEADERS)
        if origin in self._origins:
            added += [(b"access-control-allow-origin", origin.encode()), (b"vary", b"Origin")]

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        if not self._is_known(host):
            text = f"this server does not answer to {host[:80]!r}; allow it with --allow-host\n"
            await Response(text, 421, media_type="text/plain")(scope, receive, send_guarded)
        elif scope["method"] == "OPTIONS" and origin in self._origins:
            added += [(b"access-control-allow-methods", b"GET, HEAD, POST")]
            await Response(status_code=204)(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def _is_known(self, host: str) -> bool:
        name = host.rpartition(":")[0] if _has_port(host) else host
        name = name.strip("[]").lower()
        if name in self._names:
            return True
        return "*" in self._names and _is_address(name)


def _host_names(host: str, allowed: Sequence[str]) -> frozenset[str]:
    """Return the names by which the server may be called; "*" stands for every IP address."""
    names = {"localhost", LOOPBACK, "::1", *(name.lower() for name in allowed)}
    if not is_loopback(host):
        own = socket.gethostname().lower()
        names |= {"*", own, f"{own}.local"}
    return frozenset(names)


def is_loopback(host: str) -> bool:
    """Return whether an address is only reached from this machine."""
    if host == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def listen(host: str, port: int) -> socket.socket:
    """Open the socket of a server.

    Raises
    ------
    BadArgument
        The port is in use, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise BadArgument(
            f"cannot listen on {host}, port {port} ({reason}); choose another --port or --host"
        ) from None
    return listener


def run(server: Server, listener: socket.socket) -> None:
    """Serve until the process gets a signal to stop."""
    import uvicorn

    # No access log: passwords and tokens are part of the addresses that players call.
    config = uvicorn.Config(
        server.app,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="off",
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[listener])


async def _parameters(request: Request) -> dict[str, list[str]]:
    """Return the parameters of the query and of a form.

    Raises
    ------
    ApiError
        They are too long.
    """
    query = request.scope["query_string"].decode("latin-1")
    parameters = _parsed(query)
    form = request.headers.get("content-type", "").partition(";")[0].strip()
    if request.method == "POST" and form == "application/x-www-form-urlencoded":
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY:
                raise ApiError(GENERIC, "the form is longer than 1 MB")
        for name, values in _parsed(body.decode("latin-1")).items():
            parameters.setdefault(name, []).extend(values)
    return parameters


def _parsed(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(
            text, keep_blank_values=True, errors="replace", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError:
        raise ApiError(GENERIC, f"more than {_MAX_PARAMETERS} parameters") from None


def _rendered(
    content: dict[str, Any], parameters: Mapping[str, Sequence[str]], status: int = 200
) -> Response:
    form = parameters.get("f", ("xml",))[-1]
    body, media_type = render(content, form, parameters.get("callback", ("",))[-1])
    return Response(body, status, media_type=media_type)


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and (host.count(":") == 1 or "]:" in host)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
