-- A database for which the lab has no data set of its own: records that units send in.
-- Every data set ends with the two names lab/apps/casework.py works with: accept() and accepted.

create table record (
    id uuid primary key default gen_random_uuid(),
    unit text not null,
    seq bigint not null,
    body text not null default '',
    at timestamptz not null default now()
);
create index on record (unit, seq);

create function accept(unit text, seq bigint, out id uuid, out at timestamptz)
language sql volatile
begin atomic
    insert into record (unit, seq, body)
    values ($1, $2, format('%s/%s', $1, $2))
    returning record.id, record.at;
end;

create view accepted as select id, unit, seq, at from record;
