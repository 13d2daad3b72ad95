from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from inventory.network import Network
from monitoring import prometheus
from monitoring.module import shipped
from monitoring.targets import targets

CASES = sorted((Path(__file__).parent / "rules").glob("*.yaml"))


def written(network: Network, folder: Path) -> Path:
    for name, text in prometheus.files(network).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def checked(program: str, *arguments: str, folder: Path) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(network: Network, name: str) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(prometheus.files(network)[name])


def test_every_device_is_a_target_with_its_labels(network: Network) -> None:
    (job, *_) = read(network, "prometheus.yml")["scrape_configs"]
    by_device = {each["labels"]["device"]: each for each in job["static_configs"]}
    assert len(by_device) == 5 + 8  # devices.yaml and one access switch for each of units.yaml
    assert by_device["hub"] == {
        "targets": ["192.168.251.1"],
        "labels": {
            "device": "hub",
            "site": "hall",
            "role": "core",
            "name": next(site.name.en for site in network.district.sites if site.id == "hall"),
            "name_zh": next(site.name.zh for site in network.district.sites if site.id == "hall"),
            "__param_module": "system,if_mib,ospf,bgp",
        },
    }
    assert by_device["acc-ferry"]["labels"] == {
        "device": "acc-ferry",
        "site": "ferry",
        "role": "access",
        "unit": "ferry",
        "name": "Ferry post",
        "name_zh": "渡口所",
        "__param_module": "system,if_mib,ospf",
    }
    assert job["params"] == {"auth": ["watcher"]}


def test_targets_are_asked_for_modules_that_exist(network: Network) -> None:
    assert {name for target in targets(network) for name in target.modules} <= set(shipped())


def test_the_inventorys_times_are_used(network: Network) -> None:
    config = read(network, "prometheus.yml")["global"]
    assert (config["scrape_interval"], config["evaluation_interval"]) == ("4s", "4s")
    rules = {rule["alert"]: rule for group in read(network, "rules.yml")["groups"][1:] for rule in group["rules"]}
    assert rules["LinkDown"]["for"] == "4s"
    assert read(network, "alertmanager.yml")["route"]["group_wait"] == "1s"


def test_each_end_of_each_link_at_a_device_is_a_series(network: Network) -> None:
    known = read(network, "rules.yml")["groups"][0]["rules"]
    ports = [rule["labels"] for rule in known if rule["record"] == "netdr_link_port"]
    # linwu: 7 links between devices and 15 uplinks of units have two ends at devices, 4 hosts and 2 city lines one.
    assert len(ports) == 2 * (7 + 15) + 4 + 2
    assert {
        "link": "cave-gw--ring-n",
        "kind": "backbone",
        "end_a": "cave-gw",
        "end_b": "ring-n",
        "device": "cave-gw",
        "ifName": "swp7",
        "neighbor": "192.168.252.11",
    } in ports


def test_without_a_webhook_alerts_are_sent_nowhere(network: Network) -> None:
    assert read(network, "alertmanager.yml")["receivers"] == [{"name": "noc"}]


def test_a_webhook_is_told_of_both_beginning_and_end(network: Network) -> None:
    settings = network.district.settings
    told = settings.monitoring.model_copy(update={"webhook": "http://127.0.0.1:8060/alerts"})
    district = network.district.model_copy(update={"settings": settings.model_copy(update={"monitoring": told})})
    made = prometheus.alertmanager_config(
        Network(district, network.nodes, network.wires, network.nets, network.services)
    )
    webhook = {"url": "http://127.0.0.1:8060/alerts", "send_resolved": True}
    assert made["receivers"] == [{"name": "noc", "webhook_configs": [webhook]}]


def _asked(job: dict[str, Any]) -> str:
    """The address that a job really asks: of jobs about something else, that of the exporter."""
    if "relabel_configs" in job:
        (where,) = [rule for rule in job["relabel_configs"] if rule["target_label"] == "__address__"]
        return str(where["replacement"])
    return str(job["static_configs"][0]["targets"][0])


def test_everything_listens_and_talks_on_loopback_only(network: Network) -> None:
    config = read(network, "prometheus.yml")
    addresses = [
        *config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"],
        *(_asked(job) for job in config["scrape_configs"]),
    ]
    assert addresses
    assert all(address.startswith("127.0.0.1:") for address in addresses)


@pytest.mark.tools
def test_promtool_accepts_the_configuration(network: Network, tmp_path: Path) -> None:
    folder = written(network, tmp_path)
    assert "is valid prometheus config" in checked("promtool", "check", "config", "prometheus.yml", folder=folder)


@pytest.mark.tools
def test_amtool_accepts_the_configuration(network: Network, tmp_path: Path) -> None:
    folder = written(network, tmp_path)
    assert "SUCCESS" in checked("amtool", "check-config", "alertmanager.yml", folder=folder)


@pytest.mark.tools
@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_alerts_fire_when_they_should_and_only_then(network: Network, tmp_path: Path, case: Path) -> None:
    folder = written(network, tmp_path)
    shutil.copy(case, folder / "case.yaml")
    assert "SUCCESS" in checked("promtool", "test", "rules", "case.yaml", folder=folder)


def test_every_alert_has_a_case() -> None:
    text = "".join(case.read_text(encoding="utf-8") for case in CASES)
    files = (Path(prometheus.__file__).parent / "alerts").glob("*.yaml")
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    assert len(groups) >= 4
    for rule in (rule for group in groups for rule in group["rules"]):
        assert f"alertname: {rule['alert']}\n" in text, f"{rule['alert']} is never expected to fire"
