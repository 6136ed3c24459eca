"""The command group `serve`: the server for players, and its users."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli import options as opt
from segue.cli.app import command_group, open_library, subcommand
from segue.cli.output import count_of, display_path, print_json, print_table, say
from segue.errors import BadArgument, NotFound

if TYPE_CHECKING:
    from segue.web.accounts import Accounts

serve_app = command_group(
    "Share",
    "serve",
    """Serve the library to players such as Feishin, Symfonium, Supersonic and Amperfy.

    Players log in at http://127.0.0.1:4040 with a user of `segue serve users add`. They browse,
    search and stream the recordings, keep playlists, and ask what sounds alike; plugins of
    AudioMuse-AI ask the same server. Only this machine reaches it unless --host says otherwise. No
    music file is changed: stars become loved tracks, ratings of 1 or 2 skipped ones, and plays are
    kept as listens. Ctrl-C stops the server.

    Example: segue serve --host 0.0.0.0
    """,
    invoke_without_command=True,
)
users_app = typer.Typer(
    help="Manage the users of the server, their passwords and API keys.", no_args_is_help=True
)
serve_app.add_typer(users_app, name="users")

UserName = Annotated[str, typer.Argument(help="Name of the user.")]
AppName = Annotated[str, typer.Argument(help="Name of the app, as you like: phone, Feishin.")]


@serve_app.callback()
def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for the whole network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 4040,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name by which players call the server, besides addresses; repeatable."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin of a player that is a web page, as https://a.example."),
    ] = None,
    library: opt.Library = None,
) -> None:
    """Start the server, unless a command of the group is called."""
    if context.invoked_subcommand is not None:
        return
    from segue.web.server import Server, is_loopback, listen, run

    with open_library(library) as lib:
        folder, tracks = lib.folder, lib.kinds().get("sound", 0)
    if not _accounts(folder).names():
        raise BadArgument("the server has no users yet; add one with `segue serve users add NAME`")
    listener = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    say(f"serving {count_of(tracks, 'recording')} at http://{shown}:{port}; Ctrl-C stops it")
    if not is_loopback(host):
        say("passwords travel unencrypted unless a proxy adds HTTPS; use it in networks you trust")
    run(
        Server(
            folder,
            host=host,
            allowed_hosts=allow_host or (),
            allowed_origins=allow_origin or (),
        ),
        listener,
    )


@subcommand(users_app)
def add(name: UserName, library: opt.Library = None) -> None:
    """Add a user, or set a new password.

    The password is asked for, or read from standard input where that is no terminal.

    Example: segue serve users add anna
    """
    with open_library(library) as lib:
        accounts = _accounts(lib.folder)
    accounts.add(name, _read_password())
    say(f"{name} may log in with the password; apps that send tokens need an API key as password:")
    say(f"  segue serve users key {name} phone")


@subcommand(users_app)
def key(name: UserName, app: AppName, library: opt.Library = None) -> None:
    """Make an API key for an app of a user, and show it.

    It is an API key of OpenSubsonic, and also a password for apps without such keys. An older key
    of the same app is revoked.

    Example: segue serve users key anna phone
    """
    with open_library(library) as lib:
        sys.stdout.write(f"{_accounts(lib.folder).add_key(name, app)}\n")


@subcommand(users_app)
def revoke(name: UserName, app: AppName, library: opt.Library = None) -> None:
    """Revoke the API key of an app.

    Example: segue serve users revoke anna phone
    """
    with open_library(library) as lib:
        _accounts(lib.folder).remove_key(name, app)
    say(f"revoked the key of {name} for {app}")


@subcommand(users_app)
def remove(name: UserName, library: opt.Library = None) -> None:
    """Remove a user and all API keys; playlists, stars and plays stay.

    Example: segue serve users remove anna
    """
    with open_library(library) as lib:
        _accounts(lib.folder).remove(name)
    say(f"removed {name}")


@subcommand(users_app, "list")
def list_users(library: opt.Library = None, json: opt.Json = False) -> None:
    """List the users and the apps that have API keys.

    Example: segue serve users list
    """
    with open_library(library) as lib:
        accounts = _accounts(lib.folder)
        keys = {name: accounts.keys(name) for name in accounts.names()}
        folder = lib.folder
    if json:
        users = [
            {"name": name, "apps": [{"name": each.app, "at": each.created_at} for each in apps]}
            for name, apps in keys.items()
        ]
        print_json("serve-users", {"users": users})
        return
    if not keys:
        raise NotFound(f"the server of {display_path(folder)} has no users yet")
    rows = [(name, ", ".join(each.app for each in apps)) for name, apps in keys.items()]
    print_table("", ("user", "apps with an API key"), rows)


def _accounts(folder: Path) -> "Accounts":
    from segue.web.accounts import Accounts

    return Accounts(folder)


def _read_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password: str = typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
    return password
