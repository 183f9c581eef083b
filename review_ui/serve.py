"""`damhwa review`: serve the review page and the API of one or more curated runs."""

import asyncio
import getpass
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from datagen.console import err
from datagen.errors import UsageError
from review_ui.access.loopback import LoopbackAccess
from review_ui.app import build_app
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.service import Service

DRAIN_S = 10.0
"""Seconds that requests under way have to finish once the service is told to stop."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line said."""

    host: str = "127.0.0.1"
    port: int = 8000
    reviewer: str | None = None
    review: ReviewOptions = field(default_factory=ReviewOptions)


def serve(folders: Sequence[Path], options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM; then what is under way is finished.

    Raises UsageError, SpecError, DataError where a run cannot be reviewed or the address cannot be had.
    """
    runs: dict[str, ReviewedRun] = {}
    try:
        for folder in folders:
            run = ReviewedRun.open(folder, options.review)
            if run.name in runs:
                run.close()
                raise UsageError(f"two runs are called {run.name}", "rename the folder of one")
            runs[run.name] = run
    except BaseException:
        for run in runs.values():
            run.close()
        raise
    service = Service(runs)
    access = LoopbackAccess(options.reviewer or getpass.getuser())
    asyncio.run(_run(build_app(service, access), options))


async def _run(app: web.Application, options: ServeOptions) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, options.host, options.port).start()
        except OSError as exc:
            raise UsageError(
                f"{options.host}:{options.port} cannot be listened on: {exc.strerror}", "give another with --port"
            ) from exc
        host, port = runner.addresses[0][:2]
        err.print(f"reviewing at http://{host}:{port} (Ctrl-C ends it)", markup=False)
        await _wait_for_signal()
    finally:
        await runner.cleanup()


async def _wait_for_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
