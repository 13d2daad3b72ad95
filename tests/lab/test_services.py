import json
from pathlib import Path
from typing import Any

import pytest

from inventory import load
from inventory.asset import Files
from inventory.network import Network
from lab.services import boot, first_start, host_files
from netdr.kernel.errors import LabError

HOME, STANDBY = "store", "store-b"


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(Path(__file__).parents[1] / "districts" / "linwu")


def changed(network: Network, service: str, **fields: object) -> Network:
    services = tuple(s.model_copy(update=fields) if s.id == service else s for s in network.district.services)
    district = network.district.model_copy(update={"services": services})
    return Network(district, network.nodes, network.wires, network.nets, network.services)


def test_only_services_hosts_get_anything(network: Network) -> None:
    hosts = {node.id for node in network.hosts("services")}
    assert hosts == {HOME, STANDBY}
    for node in network.nodes:
        assert bool(host_files(network, node)) == bool(boot(network, node)) == (node in hosts)


def test_both_sites_have_every_service_and_the_home_site_starts_its_own(network: Network) -> None:
    for host in (HOME, STANDBY):
        files = host_files(network, host)
        assert {path for path in files if path.startswith("/etc/netdr/services/")} == {
            "/etc/netdr/services/registry",
            "/etc/netdr/services/notices",
        }
        assert all(files[path].mode == 0o755 for path in files if path.startswith("/etc/netdr/services/"))
    assert first_start(network, HOME) == (
        ("/etc/netdr/services/registry", "start"),
        ("/etc/netdr/services/notices", "start"),
    )
    assert first_start(network, STANDBY) == ()


def test_data_is_made_at_the_home_site_only_and_roles_at_both(network: Network) -> None:
    home, standby = (
        json.loads(host_files(network, host)["/etc/netdr/apps/database.json"].content) for host in (HOME, STANDBY)
    )
    assert home["roles"] == standby["roles"] == ["registry"]
    assert list(home["load"]) == ["registry"]
    assert standby["load"] == {}
    assert "/srv/notices/index.html" in host_files(network, HOME)
    assert not any(path.startswith("/srv/") for path in host_files(network, STANDBY))


def test_a_database_with_a_data_set_of_its_name_gets_that_one() -> None:
    suxian = load.network(Path("inventory/suxian"))
    home = suxian.hosts("services", suxian.district.services[0].home)[0].id
    load_from = json.loads(host_files(suxian, home)["/etc/netdr/apps/database.json"].content)["load"]
    assert Path(load_from["approval"]).name == "approval.sql"
    assert Path(load_from["credit"]).name == "record.sql"
    assert all(Path(path).is_file() for path in load_from.values())


def test_a_web_server_listens_on_its_service_s_address_only(network: Network) -> None:
    conf = host_files(network, HOME)["/etc/netdr/apps/notices.nginx"].content
    listens = [line.strip() for line in conf.splitlines() if line.strip().startswith("listen")]
    assert listens == [f"listen {network.services['notices']}:80;"]
    assert "root /srv/notices;" in conf


def test_the_programs_may_work_in_their_own_database_only(network: Network) -> None:
    ident = host_files(network, HOME)["/etc/netdr/apps/pg_ident.conf"].content
    assert "netdr www-data registry\n" in ident
    assert "netdr www-data postgres\n" not in ident


def test_the_same_network_gives_the_same_files(network: Network) -> None:
    assert host_files(network, HOME) == host_files(network, HOME)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ports": ("udp/53",)}, "service registry: the lab's programs serve TCP: its ports are udp/53"),
        ({"ports": ("icmp",)}, "service registry: the lab's programs serve TCP: its ports are icmp"),
        ({"app": "mainframe"}, "service registry: unknown app 'mainframe'; known: casework, pages"),
        (
            {"data": (Files(kind="files", path="/srv/registry"),)},
            "service registry: casework needs a postgresql data source",
        ),
    ],
    ids=["udp", "icmp-only", "unknown-app", "no-database"],
)
def test_a_service_the_lab_cannot_play_is_refused(network: Network, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError) as caught:
        host_files(changed(network, "registry", **fields), HOME)
    assert str(caught.value) == message
