"""`damhwa review`: serve the review page and the API of one or more curated runs."""

import asyncio
import getpass
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from datagen.console import err
from datagen.errors import DataError, UsageError
from review_ui.access.accounts import Accounts, check_name, check_role
from review_ui.access.log_in import AccountAccess, Trust
from review_ui.access.loopback import LoopbackAccess, is_loopback
from review_ui.access.proxy import Proxies, read_networks
from review_ui.access.visit import Access
from review_ui.app import build_app
from review_ui.authoring.open_specs import is_curated, open_specs
from review_ui.authoring.workshop import Workshop
from review_ui.http import listen
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.service import Service


@dataclass(frozen=True, slots=True)
class LogInOptions:
    """Who may come in. `has_accounts`: log-in on loopback too; `proxies`: addresses or networks that are believed."""

    has_accounts: bool = False
    proxies: tuple[str, ...] = ()
    user_header: str | None = None
    default_role: str | None = None


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line said."""

    host: str = "127.0.0.1"
    port: int = 8000
    reviewer: str | None = None
    review: ReviewOptions = field(default_factory=ReviewOptions)
    log_in: LogInOptions = field(default_factory=LogInOptions)
    specs: tuple[Path, ...] = ()
    """Spec files that authors may edit, and build into the runs."""
    is_offline: bool = False
    """Builds ask the simulator."""


def serve(folders: Sequence[Path], options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM; then what is under way is finished.

    Raises UsageError, SpecError, DataError where a run cannot be reviewed, nobody could log in, or the address cannot
    be had.
    """
    try:
        _serve(folders, options)
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename is not None else ""
        raise DataError(
            f"{where}{exc.strerror or exc}", "see that it can be read and written, and start again"
        ) from exc
    except UnicodeError as exc:
        raise DataError(f"a name or a file is not UTF-8: {exc}", "rename it, or save it as UTF-8") from exc


def _serve(folders: Sequence[Path], options: ServeOptions) -> None:
    with ExitStack() as stack:
        access, accounts = open_access(options)
        stack.callback(access.close)
        _check_names(folders)
        specs = open_specs(options.specs, folders)
        to_build = {spec.run for spec in specs}
        runs: dict[str, ReviewedRun] = {}
        for folder in folders:
            if folder in to_build and not is_curated(folder):
                continue  # its first build brings it under review
            run = ReviewedRun.open(folder, options.review)
            stack.callback(run.close)
            runs[run.name] = run
        service = Service(runs, accounts=accounts, workshop=Workshop(specs, options.is_offline), options=options.review)
        app = build_app(service, access)
        stack.pop_all()  # the app closes them from here on
    service.warm_up()
    if not is_loopback(options.host) and not options.log_in.proxies:
        err.print(
            "note: names and tokens travel unencrypted; put a proxy with TLS in front (--trusted-proxy)", markup=False
        )
    asyncio.run(listen(app, (options.host, options.port), _announce))


def _check_names(folders: Sequence[Path]) -> None:
    names = [folder.resolve().name for folder in folders]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two runs are called {twice}", "rename the folder of one")


def open_access(options: ServeOptions) -> tuple[Access, Accounts | None]:
    """Without a log-in on loopback, with accounts elsewhere and where it is asked for. Raises UsageError, DataError."""
    how = options.log_in
    if not (how.proxies or how.has_accounts) and is_loopback(options.host):
        if how.user_header or how.default_role:
            raise UsageError("--user-header and --default-role are a proxy's", "give its address with --trusted-proxy")
        return LoopbackAccess(check_name(options.reviewer or _name_user())), None
    trust = _read_trust(how)
    accounts = Accounts.open(time.time)
    try:
        if trust.default_role is None and not any(each.is_active for each in accounts.list()):
            told = f"nobody could log in at {options.host}: there is no active reviewer's account"
            raise UsageError(told, "add one: `damhwa reviewers add NAME --role admin`")
        return AccountAccess(accounts, trust, time.time), accounts
    except BaseException:
        accounts.close()
        raise


def _read_trust(how: LogInOptions) -> Trust:
    if how.user_header is not None and not how.proxies:
        raise UsageError("--user-header is a proxy's word", "say whose with --trusted-proxy ADDRESS")
    if how.default_role is not None and how.user_header is None:
        raise UsageError("--default-role is for users whom a proxy names", "say how with --user-header NAME")
    header = how.user_header
    if header is not None and not (header.isascii() and header.replace("-", "").isalnum()):
        raise UsageError(f"{header!r} is no name of a header", "for example X-Remote-User")
    role = None if how.default_role is None else check_role(how.default_role)
    return Trust(Proxies(read_networks(how.proxies), header), role)


def _name_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "reviewer"


async def _announce(url: str) -> None:
    """Say where, and wait for the signal that ends it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    err.print(f"reviewing at {url} (Ctrl-C ends it)", markup=False)
    await stop.wait()
