"""What must survive the loss of a site, and what is promised about it: services.yaml, assets.yaml, protection.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from inventory.entry import PATH_PATTERN, ClockTime, Duration, Entry, Id, Name, Port, Rate

AbsolutePath = Annotated[str, StringConstraints(pattern=PATH_PATTERN)]
Share = Annotated[float, Field(gt=0, le=1)]
Level = Literal["v1", "v2", "v3", "v4"]
Place = Literal["home", "standby", "offline"]
Medium = Literal["disk", "object", "removable", "tape"]


class Record(Entry):
    """A record to be read through a service: ``get`` is the page, ``sql`` a query for one row of the database.

    ``{column}`` in the page stands for the row's value; the page's JSON object must hold every column with its value.
    """

    sql: str
    get: Annotated[str, StringConstraints(pattern=r"^/\S*$")]


class Write(Entry):
    """What a user may send through a service: ``body``, as JSON, to the page ``post``. Afterwards ``sql`` is true.

    Only drills send it, into restored data that is thrown away.
    """

    post: Annotated[str, StringConstraints(pattern=r"^/\S*$")]
    body: dict[str, str | int | float | bool]
    sql: str


class Postgres(Entry):
    """A PostgreSQL database. ``queries`` must return a row that is true when it is restored.

    ``canary`` is a query for the time (timestamptz) of its newest heartbeat row: restored, it is the RPO measured.
    ``records`` are read through the service and compared with what the restored database holds; ``writes`` are sent
    through it in a drill.
    """

    kind: Literal["postgresql"]
    database: Id
    queries: dict[str, str] = Field(default_factory=dict)
    canary: str = ""
    records: dict[str, Record] = Field(default_factory=dict)
    writes: dict[str, Write] = Field(default_factory=dict)


class Files(Entry):
    """A directory tree. ``url``: the path at which its service shows it, empty if it does not."""

    kind: Literal["files"]
    path: AbsolutePath
    url: Annotated[str, StringConstraints(pattern=r"^(/\S*)?$")] = ""


class NetdrState(Entry):
    """What a controller needs to be netdr: the inventory folder and the state folder, its journals in one piece."""

    kind: Literal["netdr"]


class Devices(Entry):
    """The running configuration of every device, fetched when it is saved."""

    kind: Literal["devices"]


class Prometheus(Entry):
    """A Prometheus server's time series: its data folder, whose finished blocks never change."""

    kind: Literal["prometheus"]
    path: AbsolutePath


class Vault(Entry):
    """The Ansible vault with the district's secrets: saved only if it is really encrypted."""

    kind: Literal["vault"]


def where(source: DataSource) -> str:
    """Return where a source's data is: a database, a path, or what its kind says."""
    if isinstance(source, Postgres):
        return source.database
    return source.path if isinstance(source, Files | Prometheus) else source.kind


DataSource = Annotated[Postgres | Files | NetdrState | Devices | Prometheus | Vault, Field(discriminator="kind")]


class Asset(Entry):
    """Data with a home and a standby site. ``on``: which kind of host at the home site holds it."""

    id: Id
    name: Name
    home: Id
    standby: Id
    protection: Id
    on: Literal["services", "controller"] = "services"
    data: tuple[DataSource, ...] = Field(min_length=1)


class Service(Asset):
    """An asset that serves users: it runs on the services hosts and has a /32 of its own.

    ``app`` is the program that serves it (``casework`` and ``pages`` in the lab, anything on a real host).
    """

    on: Literal["services"] = "services"
    tier: Annotated[int, Field(ge=1, le=3)]
    app: Id
    ports: tuple[Port, ...] = Field(min_length=1)


class Retention(Entry):
    """How many snapshots are kept, in restic's own words."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0


class Copy(Entry):
    """A copy besides the data itself. ``immutable``: who can write there cannot delete there.

    ``every`` is for a copy that people carry (``at: offline``); the others follow each run.
    """

    at: Place
    media: Medium
    immutable: bool = False
    every: Duration | None = None


class Proof(Entry):
    """How deep a restore is proven and how often; every byte stored is read again within ``read_within``.

    v1: the repository's bytes; v2: restored files equal the manifest made at the source; v3: the application starts
    from them; v4: it answers as it should.
    """

    depth: Level = "v4"
    every: Duration
    read_within: Duration


# Seconds by which a drill may be late: timers of long jobs keep to days of the month, and what failed is tried again.
DRILL_GRACE = 2 * 86400


class Drill(Entry):
    """How often services are started from their copies, together and in isolation, and used as units use them."""

    every: Duration


class RateLimit(Entry):
    """How fast copies may travel from ``start`` to ``end`` (local time; past midnight if ``end`` is earlier)."""

    start: ClockTime
    end: ClockTime
    upload: Rate | None = None
    download: Rate | None = None


class Brake(Entry):
    """What looks like ransomware between two snapshots: then nothing is forgotten until a person has looked.

    ``changed`` and ``deleted`` are shares of the former snapshot's files; ``packed`` is the factor by which new data
    compresses worse than before.
    """

    changed: Share = 0.5
    deleted: Share = 0.3
    packed: Annotated[float, Field(gt=1)] = 1.5


class Protection(Entry):
    """What an asset is promised: how much may be lost (RPO), how long it may take (RTO), and how that is kept.

    ``stream``: its databases' changes flow to the DR site without waiting for the next run. ``drill``: for services.
    """

    id: Id
    rpo: Duration
    rto: Duration
    every: Duration
    retention: Retention
    copies: tuple[Copy, ...] = Field(min_length=1)
    proof: Proof
    stream: bool = False
    drill: Drill | None = None
    limits: tuple[RateLimit, ...] = ()
    brake: Brake = Brake()
