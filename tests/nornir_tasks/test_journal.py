"""The journal's file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from nornir_tasks.journal import Journal

# As the first netdr made it.
FIRST = """
create table transactions (
    id integer primary key autoincrement,
    opened text not null, owner text not null, ticket text not null, plan text not null,
    closed text, outcome text
) strict;
create table steps (
    id integer primary key autoincrement,
    transaction_id integer not null references transactions (id),
    at text not null, step text not null, device text not null, state text not null, detail text not null
) strict;
insert into transactions (opened, owner, ticket, plan) values ('2026-11-01', 'root@old', 'CHG-1', '{}');
"""


def test_a_journal_of_an_earlier_netdr_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(FIRST)
    for _ in range(2):
        with closing(Journal(path)) as journal:
            assert [(entry.ticket, entry.verb, entry.texts) for entry in journal.latest(5)] == [
                ("CHG-1", "deploy", b"")
            ]
    with closing(Journal(path)) as journal:
        journal.begin(1, "arm", ["core"])
        assert journal.changed_anything(1)
        journal.close_transaction(1, "restored")
        assert journal.unfinished() == ()


def test_the_longest_of_the_last_five_times_counts(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        for seconds in (9.0, 1.0, 2.0, 3.0, 2.5, 1.5):
            journal.apply({"kind": "steps", "at": "", "id": 1, "rows": [["arm", "core", "done", "", seconds]]})
        journal.apply({"kind": "steps", "at": "", "id": 1, "rows": [["arm", "edge", "failed", "", 60.0]]})
        assert journal.seconds("arm") == {"core": 3.0}
