"""The review database, table by table: what was decided (an append-only log), and what follows from it.

`events` is the truth: rows are added and never changed. Everything else that reviewing writes (a sample's state, the
tallies, the paces) is derived from it in the same transaction, so that no page ever has to count a million rows. Text
stays in Parquet: a sample says in which file and row; only the words that people wrote themselves lie here.
"""

import sqlalchemy as sa

METADATA = sa.MetaData()
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite counts up by itself only where the type is INTEGER, which there has 64 bits anyway."""

SETTINGS = sa.Table(
    "settings",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("run", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("imported", sa.Text, nullable=False),
    sa.Column("facets", sa.Text, nullable=False, server_default="{}"),
)
"""`key`: what `RUN/.review-key` says, so that a folder that was moved is known again; `imported`: the fingerprint of
the `curated/` that the samples were taken from; `facets`: JSON, what triage can be filtered by, counted then."""

LOTS = sa.Table(
    "lots",
    METADATA,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("quota", sa.Integer),
    sa.Column("round", sa.Integer, nullable=False, server_default="1"),
    sa.Column("verdict", sa.Text),
    sa.Column("disposition", sa.Text),
    sa.Column("disposed_by", sa.Text),
    sa.Column("disposed_at", sa.Double),
)
"""A topic's dialogues that would be published. `round`: which lot of the topic this is: one that is regenerated starts
another, with an audit of its own. `verdict`: pass or fail, from the moment when the sequential test first crossed a
bound; null: open. `disposition`: release, full-review or regenerate; null: nobody said yet."""

DISPOSITIONS = sa.Table(
    "dispositions",
    METADATA,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("disposition", sa.Text, primary_key=True),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("good", sa.Integer, nullable=False),
    sa.Column("defects", sa.Integer, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
)
"""What authors decided about lots: a log like `events`, rows are added and never changed. `good`, `defects`: what the
audit had found by then; `count`: dialogues that it concerned."""

_IS_HELD = sa.text("holder IS NOT NULL")

SAMPLES = sa.Table(
    "samples",
    METADATA,
    sa.Column("sample", _BIG, primary_key=True, autoincrement=True),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("persona", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("cluster", sa.Text),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("row", _BIG, nullable=False),
    sa.Column("is_lot", sa.Boolean, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("rank", sa.Double, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("score", sa.Double),
    sa.Column("later", sa.Integer, nullable=False, server_default="0"),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("verdict", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("pair", sa.Text),
    sa.Column("event", _BIG),
    sa.Column("holder", sa.Text),
    sa.Column("held_until", sa.Double, nullable=False, server_default="0"),
    sa.UniqueConstraint("run", "id"),
    sa.Index("samples_queue", "run", "pool", "state", "topic", "later", "rank"),
    sa.Index("samples_best", "run", "pool", "state", "later", "rank"),
    sa.Index("samples_why", "run", "pool", "state", "why", "later", "rank"),
    sa.Index("samples_cluster", "run", "cluster"),
    sa.Index("samples_held", "run", "holder", sqlite_where=_IS_HELD, postgresql_where=_IS_HELD),
)
"""A dialogue that may be reviewed.

`status`, `cluster`: of the last curation; `status` is `gone` for what it no longer has. `file`, `row`: where its text
lies in `.curation/measured`. `is_lot`: would be published. `pool`: audit, triage, or none (a member of a cluster, only
seen beside others). `rank`: the order within the pool, small first. `why`: the code of the reason why triage shows it.
`later`: 1 where somebody put it off. `revision`: 1, and one more with every change of its text. `state`: open, second
(decided; a second, blind look is due), third (two disagree), done. `verdict`: accept, flag, edit: the one that counts;
`reason`: of a flag; `pair`: the first two verdicts, for agreement; `event`: the one that `verdict` comes from.
`holder`, `held_until` (seconds since 1970): the lease."""

CODES = sa.Table(
    "codes",
    METADATA,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("sample", _BIG, primary_key=True),
)
"""Which findings a sample has, to look for them."""

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("event", _BIG, primary_key=True, autoincrement=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("sample", _BIG, nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("made_revision", sa.Integer),
    sa.Column("reason", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("turn", sa.Integer),
    sa.Column("messages", sa.Text),
    sa.Column("findings", sa.Text),
    sa.Column("undoes", _BIG),
    sa.Column("looked_ms", sa.Integer, nullable=False),
    sa.Column("screen", sa.Text, nullable=False),
    sa.Column("decided_at", sa.Double, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("source", sa.Text, nullable=False, server_default="page"),
    sa.Index("events_sample", "sample"),
    sa.Index("events_reviewer", "run", "reviewer", "event"),
)
"""The log. `key`: the idempotency key that the screen gave it. `kind`: accept, flag, edit, later, undo. `revision`: of
the text on the screen; `made_revision`: of the text that an edit, or its undoing, made. `turn` counts from 0.
`messages`: JSON, the whole dialogue after an edit. `findings`: JSON, what the filters say of it. `undoes`: the event
that an undo takes back. `screen`: JSON, what was on the screen. `looked_ms`: for how long. `decided_at`: by the
screen's clock, `at`: by the server's, seconds since 1970. `source`: page, or where it was imported from."""

TALLIES = sa.Table(
    "tallies",
    METADATA,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("count", _BIG, nullable=False),
)
"""Counters (`outcome.list_tallies` names them), changed in the transaction that changes what they count."""

PACES = sa.Table(
    "paces",
    METADATA,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("reviewer", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True),
    sa.Column("count", _BIG, nullable=False),
)
"""How long a reviewer looked before deciding: a histogram a day (where the service runs), buckets of `pace`."""

REVIEWERS = sa.Table(
    "reviewers",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("salt", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("disabled_at", sa.Double),
    sa.Column("generation", sa.Integer, nullable=False, server_default="1"),
)
"""Accounts. `generation` is raised by a new token or by disabling: a cookie of an older one is worth nothing."""
