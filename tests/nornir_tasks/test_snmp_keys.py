from __future__ import annotations

from nornir_tasks.snmp_keys import localized


def test_the_key_of_rfc_3414s_example() -> None:
    """RFC 3414, A.3.2: password 'maplesyrup', engine 000000000000000000000002, SHA."""
    engine = bytes(11) + b"\x02"
    assert localized("SHA", "maplesyrup", engine).hex() == "6695febc9288e36282235fc7151f128497b38f3f"


def test_a_key_is_as_long_as_its_hash_and_different_on_every_engine() -> None:
    found = {engine: localized("SHA256", "maplesyrup", engine) for engine in (b"engine-1", b"engine-2")}
    assert {len(key) for key in found.values()} == {32}
    assert len(set(found.values())) == 2
