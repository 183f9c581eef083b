"""Fifty reviewers who decide once a second, half of them in the audit, half in triage; and twenty kills under load."""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.review_service import Record, Reviewer, Server, count_lost, serve

REVIEWERS, SECONDS, KILLS = 50, 60, 20


@dataclass(frozen=True, slots=True)
class Load:
    """`pause_s`: between the decisions of one reviewer."""

    reviewers: int = REVIEWERS
    seconds: float = SECONDS
    pause_s: float = 1.0


def watch_crowd(folder: Path, database: str, load: Load = Load()) -> tuple[Record, int]:
    """What the reviewers saw, and how many acknowledged decisions the log lacks."""
    with serve(folder, database) as server:
        record = asyncio.run(_review(server, load))
    return record, count_lost(database, record.acknowledged)


async def _review(server: Server, load: Load) -> Record:
    record = Record()
    async with _open_session() as session:
        crowd = _invite(session, server, load, record)
        for each in crowd:
            await each.enter()
            await each.refill()
        record.claims.clear()
        async with asyncio.TaskGroup() as group:
            for number, each in enumerate(crowd):
                group.create_task(_work(each, number, load))
    return record


async def _work(reviewer: Reviewer, number: int, load: Load) -> None:
    chance = random.Random(number)
    loop = asyncio.get_running_loop()
    due = loop.time() + chance.random() * load.pause_s
    end = loop.time() + load.seconds
    while due < end:
        await asyncio.sleep(max(0.0, due - loop.time()))
        await reviewer.decide(chance.random() < 0.05)
        await reviewer.refill()
        due += load.pause_s


@dataclass(frozen=True, slots=True)
class Killed:
    """`recovery_s`: from each start to the first card; with the start of Python and all imports."""

    acknowledged: int
    lost: int
    recovery_s: list[float]


def kill_under_load(folder: Path, database: str, kills: int = KILLS, load: Load = Load(8, 1.5, 0.0)) -> Killed:
    """Start the service, load it, kill it at a random moment, again and again; then look into the log."""
    chance = random.Random(0)
    acknowledged: list[str] = []
    recovery: list[float] = []
    for _ in range(kills):
        with serve(folder, database) as server:
            record = Record()
            asyncio.run(_review_until_killed(server, load, record, chance.uniform(0.2, load.seconds)))
        acknowledged += record.acknowledged
        recovery.append(server.ready_s + record.claims[0])
    return Killed(len(acknowledged), count_lost(database, acknowledged), recovery)


async def _review_until_killed(server: Server, load: Load, record: Record, moment: float) -> None:
    async with _open_session() as session:
        crowd = _invite(session, server, load, record)
        await crowd[0].enter()
        await crowd[0].refill()
        tasks = [asyncio.create_task(_work_until_killed(each)) for each in crowd]
        await asyncio.sleep(moment)
        await asyncio.to_thread(server.kill)
        await asyncio.gather(*tasks)


async def _work_until_killed(reviewer: Reviewer) -> None:
    try:
        await reviewer.enter()
        while True:
            await reviewer.refill()
            await reviewer.decide(False)
    except (aiohttp.ClientError, ConnectionError):
        return


def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


def _invite(session: aiohttp.ClientSession, server: Server, load: Load, record: Record) -> list[Reviewer]:
    api = f"{server.url}/api/v1"
    return [
        Reviewer(f"reviewer-{number}", ("audit", "triage")[number % 2], session, api, record)
        for number in range(load.reviewers)
    ]
