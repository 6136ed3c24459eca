"""Users of the server: their passwords, and API keys for their apps.

Passwords are hashed with scrypt. The token that most players log in with is the MD5 of a secret
and a salt, which can be checked only by who knows the secret; so tokens are made from API keys,
never from passwords. Keys are random, one for each app, and stored as they are, in a file that
only its owner may read.
"""

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from segue.errors import BadArgument, NotFound, SegueError
from segue.files import atomic_write

FILE: Final = "server-users.json"
MIN_PASSWORD: Final = 8  # characters
_MAX_NAME: Final = 64
_MAX_FILE: Final = 1 << 20  # bytes
_KEY_BYTES: Final = 18
# About 50 ms and 16 MiB for each guess (RFC 7914).
_SCRYPT: Final = {"n": 1 << 14, "r": 8, "p": 1, "dklen": 32}

#: Wrong passwords from one address within `WINDOW_S` before it has to wait.
MAX_FAILURES: Final = 10
WINDOW_S: Final = 60.0
_MAX_ADDRESSES: Final = 10_000


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The API key of an app of a user."""

    app: str
    key: str
    created_at: str


class Accounts:
    """The users of a server, in a file of the library's folder.

    Parameters
    ----------
    folder : Path
        Folder of the library.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._lock = threading.Lock()
        self._read_at: tuple[int, int] | None = None
        self._users: dict[str, dict[str, Any]] = {}
        self._known: set[bytes] = set()  # digests of passwords that were right
        self._pepper = secrets.token_bytes(16)

    def names(self) -> list[str]:
        """List the users."""
        return sorted(self._load())

    def add(self, name: str, password: str) -> None:
        """Add a user, or set the password of one.

        Raises
        ------
        BadArgument
            The name has characters that players cannot send, or the password is too short.
        """
        if not name or len(name) > _MAX_NAME or not name.isprintable() or name != name.strip():
            raise BadArgument(f"a user name has 1 to {_MAX_NAME} printable characters")
        if len(password) < MIN_PASSWORD:
            raise BadArgument(f"a password has at least {MIN_PASSWORD} characters")
        salt = secrets.token_bytes(16)
        users = self._load()
        user = users.setdefault(name, {"keys": []})
        user["password"] = f"{salt.hex()}:{_hashed(password, salt).hex()}"
        self._save(users)

    def remove(self, name: str) -> None:
        """Remove a user with all API keys."""
        users = self._load()
        self._user(users, name)
        del users[name]
        self._save(users)

    def add_key(self, name: str, app: str) -> str:
        """Make the API key of an app, which replaces an older one, and return it."""
        if not app or len(app) > _MAX_NAME or not app.isprintable():
            raise BadArgument(f"the name of an app has 1 to {_MAX_NAME} printable characters")
        users = self._load()
        user = self._user(users, name)
        key = secrets.token_urlsafe(_KEY_BYTES)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        user["keys"] = [each for each in user["keys"] if each["app"] != app]
        user["keys"].append({"app": app, "key": key, "created_at": now})
        self._save(users)
        return key

    def remove_key(self, name: str, app: str) -> None:
        """Revoke the API key of an app."""
        users = self._load()
        user = self._user(users, name)
        kept = [each for each in user["keys"] if each["app"] != app]
        if len(kept) == len(user["keys"]):
            raise NotFound(f"{name} has no key for {app!r}; `segue serve users list` shows them")
        user["keys"] = kept
        self._save(users)

    def keys(self, name: str) -> list[ApiKey]:
        """List the API keys of a user."""
        return [ApiKey(**each) for each in self._user(self._load(), name)["keys"]]

    def is_password(self, name: str, password: str) -> bool:
        """Return whether a password, or an API key in its place, is that of a user."""
        user = self._load().get(name)
        if user is None:
            _hashed(password, b"no user")  # takes as long, so that names cannot be guessed
            return False
        if any(_equal(each["key"], password) for each in user["keys"]):
            return True
        stored = user["password"]
        known = hashlib.blake2b(
            f"{stored}\0{password}".encode(errors="surrogatepass"), key=self._pepper
        ).digest()
        if known in self._known:  # players send it with every request
            return True
        salt, digest = map(bytes.fromhex, stored.split(":"))
        if not hmac.compare_digest(_hashed(password, salt), digest):
            return False
        self._known.add(known)
        return True

    def is_token(self, name: str, token: str, salt: str) -> bool:
        """Return whether a token is the MD5 of one of the user's API keys and the salt."""
        user = self._load().get(name)
        return user is not None and any(
            _equal(
                hashlib.md5((each["key"] + salt).encode(), usedforsecurity=False).hexdigest(),
                token.lower(),
            )
            for each in user["keys"]
        )

    def user_of_key(self, key: str) -> str | None:
        """Return the user whose API key this is."""
        for name, user in self._load().items():
            if any(_equal(each["key"], key) for each in user["keys"]):
                return name
        return None

    def _user(self, users: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in users:
            raise NotFound(f"no user {name!r}; `segue serve users list` shows all users")
        return users[name]

    def _load(self) -> dict[str, dict[str, Any]]:
        """Read the file if it has changed."""
        try:
            status = os.stat(self._file)
        except FileNotFoundError:
            return {}
        state = (status.st_mtime_ns, status.st_ino)
        with self._lock:
            if state != self._read_at:
                self._users = self._read(status.st_size)
                self._read_at = state
            return self._users

    def _read(self, size: int) -> dict[str, dict[str, Any]]:
        try:
            users = json.loads(self._file.read_bytes() if size <= _MAX_FILE else b"")
            for user in users.values():
                [ApiKey(**each) for each in user["keys"]]
                _salt, _digest = map(bytes.fromhex, user["password"].split(":"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise SegueError(
                f"{self._file} is not as Segue wrote it; remove it, and add the users again"
            ) from None
        return dict(users)

    def _save(self, users: dict[str, dict[str, Any]]) -> None:
        if not self._file.exists():  # atomic_write keeps the permissions of what it replaces
            os.close(os.open(self._file, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        with atomic_write(self._file) as partial:
            partial.write_text(json.dumps(users, indent=1), encoding="utf-8")
        with self._lock:
            self._read_at = None


class FailureLimit:
    """Counts wrong passwords by address, and tells which address has to wait.

    Parameters
    ----------
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def add(self, address: str) -> None:
        """Count a wrong password."""
        with self._lock:
            if len(self._failures) > _MAX_ADDRESSES:
                self._failures.clear()
            self._failures[address].append(self._clock())

    def must_wait(self, address: str) -> bool:
        """Return whether too many wrong passwords came from an address of late."""
        with self._lock:
            if address not in self._failures:
                return False
            failures = self._failures[address]
            while failures and failures[0] < self._clock() - WINDOW_S:
                failures.popleft()
            if not failures:
                del self._failures[address]
            return len(failures) >= MAX_FAILURES


def _hashed(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(errors="surrogatepass"), salt=salt, **_SCRYPT)


def _equal(expected: str, given: str) -> bool:
    return hmac.compare_digest(
        expected.encode(errors="surrogatepass"), given.encode(errors="surrogatepass")
    )
