from __future__ import annotations

from monitoring.decode import Family, Sample, decode
from monitoring.module import Module, shipped
from monitoring.snmp import VarBind, parse_oid


def by_name(module: str, *pairs: tuple[str, object]) -> dict[str, Family]:
    found = [VarBind(parse_oid(oid), value) for oid, value in pairs]  # type: ignore[arg-type]
    return {family.name: family for family in decode(shipped()[module], found)}


def test_a_port_carries_its_names() -> None:
    # Columns as RFC 2863 numbers them: ifDescr 2, ifOperStatus 8, ifName and ifAlias in ifXTable.
    found = by_name(
        "if_mib",
        ("1.3.6.1.2.1.2.2.1.2.7", b"Gigabit 0/7"),
        ("1.3.6.1.2.1.2.2.1.8.7", 2),
        ("1.3.6.1.2.1.31.1.1.1.1.7", b"gi7"),
        ("1.3.6.1.2.1.31.1.1.1.18.7", "到财政局".encode()),
    )
    labels = (("ifIndex", "7"), ("ifName", "gi7"), ("ifAlias", "到财政局"), ("ifDescr", "Gigabit 0/7"))
    assert found["ifOperStatus"].samples == [Sample(labels, 2)]
    assert found["ifOperStatus"].kind == "gauge"
    assert set(found) == {"ifOperStatus"}


def test_a_lookup_that_finds_nothing_gives_an_empty_label() -> None:
    found = by_name("if_mib", ("1.3.6.1.2.1.2.2.1.7.3", 1))
    assert dict(found["ifAdminStatus"].samples[0].labels)["ifAlias"] == ""


def test_counters_stay_exact_in_a_double() -> None:
    found = by_name("if_mib", ("1.3.6.1.2.1.31.1.1.1.6.1", 2**53 + 5), ("1.3.6.1.2.1.31.1.1.1.10.1", 2**53 - 1))
    assert found["ifHCInOctets"].samples[0].value == 5
    assert found["ifHCOutOctets"].samples[0].value == 2**53 - 1
    assert found["ifHCInOctets"].kind == "counter"


def test_texts_become_labels_and_scalars_have_no_others() -> None:
    found = by_name("system", ("1.3.6.1.2.1.1.5.0", b"core\xff"), ("1.3.6.1.2.1.1.3.0", 4294967295))
    assert found["sysName"].samples == [Sample((("sysName", "core\ufffd"),), 1)]
    assert found["sysUpTime"].samples == [Sample((), 4294967295)]


def test_an_address_in_an_index_is_written_as_one() -> None:
    # ospfNbrTable, RFC 4750: INDEX { ospfNbrIpAddr, ospfNbrAddressLessIndex }; 3 is ospfNbrRtrId, 6 ospfNbrState.
    found = by_name(
        "ospf",
        ("1.3.6.1.2.1.14.10.1.3.192.168.252.1.0", bytes([192, 168, 251, 2])),
        ("1.3.6.1.2.1.14.10.1.6.192.168.252.1.0", 8),
    )
    labels = {"ospfNbrIpAddr": "192.168.252.1", "ospfNbrAddressLessIndex": "0", "ospfNbrRtrId": "192.168.251.2"}
    assert [(dict(sample.labels), sample.value) for sample in found["ospfNbrState"].samples] == [(labels, 8)]


def test_a_row_of_the_wrong_width_is_left_out() -> None:
    assert by_name("ospf", ("1.3.6.1.2.1.14.10.1.6.192.168.252.1", 8)) == {}


def test_an_agent_that_knows_nothing_gives_nothing() -> None:
    assert list(decode(Module(metrics=shipped()["bgp"].metrics), [])) == []
