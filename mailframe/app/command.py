"""The `mailframe` command: accounts, the queue, the store, checking a configuration, listing plugins."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mailframe import __version__
from mailframe.app import example, guardctl, queuectl, reference, storectl, tracectl, transferctl
from mailframe.app.chosen import PLUGINS, accounts_path
from mailframe.app.config import Config, load
from mailframe.app.control import ControlError
from mailframe.app.plugins import KINDS
from mailframe.app.toml import ConfigError, ended
from mailframe.auth import accountedit
from mailframe.auth.hashing import hash_password
from mailframe.auth.names import account_name


class Refused(Exception):
    """A sentence about why the command did nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 1 with a sentence on standard error when not."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], None] = arguments.run
    try:
        run(arguments)
    except (Refused, ConfigError, ControlError, ValueError) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
    except KeyboardInterrupt:
        return 130
    return 0


def _complain(sentence: str) -> int:
    print(f"mailframe: {ended(sentence)}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    words = "Look after a mailframe server. Start one with: twistd -n mailframe"
    parser = argparse.ArgumentParser(prog="mailframe", description=words)
    parser.add_argument("--version", action="version", version=f"mailframe {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_user(_command(commands, "user", "look after the accounts in the accounts file; a running server notices"))
    _add_queue(_command(commands, "queue", "look after the messages that wait to be handed on"))
    _add_guards(_command(commands, "guards", "look at what the running server's guards remember"))
    storectl.add(_command(commands, "store", "look after the databases that mail rests in").add_subparsers(
        required=True, metavar="ACTION"), _command, _place, _config)
    transferctl.add_import(_command(commands, "import", "bring mail in from elsewhere"), _place, _config)
    transferctl.add_export(_command(commands, "export", "take mail out, for other programs"), _place, _config)
    tracectl.add(_command(commands, "trace", "log whole sessions of chosen clients").add_subparsers(
        required=True, metavar="ACTION"), _command, _place, lambda arguments: _config(arguments).data)
    check = _command(commands, "check", "check a configuration file without starting anything")
    check.add_argument("config", type=Path, metavar="CONFIG")
    check.set_defaults(run=_check)
    config = _command(commands, "config", "print a complete commented configuration to start from")
    config.set_defaults(run=lambda _: print(example.example(), end=""))
    plugins = _command(commands, "plugins", "list what can be plugged in, where it comes from, and its settings in brackets")
    plugins.set_defaults(run=_plugins)
    return parser


def _command(commands: Any, name: str, words: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    return parser


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, help="the server's configuration file")
    parser.add_argument("-d", "--data", type=Path, help="the server's data folder, where there is no configuration file")


def _config(arguments: argparse.Namespace) -> Config:
    if arguments.config:
        return load(arguments.config)
    return Config(development=True, data=(arguments.data or Path("mailframe-data")).absolute())


def _add_user(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, words in (
        ("add", _user_add, "add an account; the password is asked for, or read from standard input"),
        ("passwd", _user_passwd, "give an account a new password"),
        ("remove", _user_remove, "remove an account (its mail stays)"),
        ("list", _user_list, "list the accounts"),
    ):
        action = _command(actions, name, words)
        _place(action)
        action.add_argument("--accounts", type=Path, help="the accounts file (default: the configuration's)")
        if name != "list":
            action.add_argument("name", metavar="NAME@DOMAIN")
        action.set_defaults(run=run)
    words = "show or change which addresses an account may send as, besides its own and those that lead to it"
    action = _command(actions, "allow-from", words)
    _place(action)
    action.add_argument("--accounts", type=Path, help="the accounts file (default: the configuration's)")
    action.add_argument("--remove", nargs="+", default=[], metavar="ADDRESS", help="take these away again")
    action.add_argument("name", metavar="NAME@DOMAIN")
    action.add_argument("patterns", nargs="*", metavar="ADDRESS", help='an address, "*@DOMAIN" or "*"; none: show them')
    action.set_defaults(run=_user_allow_from)


def _accounts(arguments: argparse.Namespace) -> Path:
    if arguments.accounts:
        return Path(arguments.accounts)
    return accounts_path(_config(arguments))


def _user_add(arguments: argparse.Namespace) -> None:
    path = _accounts(arguments)
    _check_domain(arguments)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = accountedit.add(path, arguments.name, hash_password(_new_password()), time.time())
    print(f"Added {name} to {path}.")


def _check_domain(arguments: argparse.Namespace) -> None:
    """An account at somebody else's domain would keep the server from starting."""
    domains = _config(arguments).domains if arguments.config else ()
    domain = account_name(arguments.name).rpartition("@")[2]
    if domains and domain not in domains:
        raise Refused(f"{domain} is none of this server's domains ({', '.join(domains)}); name it under domains first.")


def _user_passwd(arguments: argparse.Namespace) -> None:
    path = _accounts(arguments)
    if account_name(arguments.name) not in accountedit.names(path):
        raise Refused(f"{path} has no account {arguments.name}.")
    accountedit.set_password(path, arguments.name, hash_password(_new_password()))
    print(f"Changed the password of {arguments.name}.")


def _user_remove(arguments: argparse.Namespace) -> None:
    path = _accounts(arguments)
    accountedit.remove(path, arguments.name)
    print(f"Removed {arguments.name} from {path}; its mail stays in the store.")


def _user_list(arguments: argparse.Namespace) -> None:
    for name in accountedit.names(_accounts(arguments)):
        print(name)


def _user_allow_from(arguments: argparse.Namespace) -> None:
    path, name = _accounts(arguments), account_name(arguments.name)
    if name not in accountedit.names(path):
        raise Refused(f"{path} has no account {name}.")
    there = accountedit.sends_as(path, name)
    for word in arguments.remove:
        if word not in there:
            raise Refused(f"{name} was not allowed to send as {word}.")
    wanted = tuple(dict.fromkeys(word for word in (*there, *arguments.patterns) if word not in arguments.remove))
    if wanted != there:
        accountedit.set_sends_as(path, name, wanted)
    for word in wanted:
        print(word)


def _new_password() -> str:
    """Asked for twice without echo on a terminal, else the first line of standard input."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise Refused("The two passwords differ; nothing was changed.")
    if not password:
        raise Refused("The password is empty; nothing was changed.")
    return password


def _add_queue(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, words in queuectl.ACTIONS.items():
        action = _command(actions, name, words)
        _place(action)
        if name != "list":
            action.add_argument("ids", nargs="+", metavar="ID", help='a message\'s number or its id in the log, or "all"')
        action.set_defaults(run=lambda arguments, name=name: queuectl.run(
            name, _config(arguments).data, getattr(arguments, "ids", [])))


def _add_guards(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, words in guardctl.ACTIONS.items():
        action = _command(actions, name, words)
        _place(action)
        if name != "list":
            also = "" if name == "ban" else ", or a domain under which the greylist knows a provider"
            action.add_argument("address", metavar="ADDRESS", help=f"an IPv4 or IPv6 address{also}")
        if name == "ban":
            action.add_argument("--minutes", type=float, default=guardctl.BAN_MINUTES, metavar="N", help="for so long; an hour")
        action.set_defaults(run=lambda arguments, name=name: guardctl.run(
            name, _config(arguments).data, getattr(arguments, "address", ""), getattr(arguments, "minutes", guardctl.BAN_MINUTES)))


def _check(arguments: argparse.Namespace) -> None:
    for line in reference.check(load(arguments.config)):
        print(line)


def _plugins(_: argparse.Namespace) -> None:
    every = [found for kind in KINDS for _, found in sorted(PLUGINS.names(kind).items())]
    names, sources = (max(len(word) for word in words) for words in zip(*((each.name, each.source) for each in every)))
    for found in every:
        print(f"{found.kind:<9}  {found.name:<{names}}  {found.source:<{sources}}  {found.help()}")


if __name__ == "__main__":
    sys.exit(main())
