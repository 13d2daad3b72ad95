from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.module import load, shipped
from netdr.kernel.errors import Problems

METRIC = "{name: a, oid: 1.3.6, type: gauge, help: h}"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_what_is_shipped_can_be_asked_and_read() -> None:
    assert set(shipped()) == {"system", "if_mib", "ospf", "bgp"}
    for name, module in shipped().items():
        asked = [*module.walk, *(oid[:-1] for oid in module.get)]
        read = [metric.oid for metric in module.metrics]
        looked_up = [lookup.oid for metric in module.metrics for lookup in metric.lookups]
        assert set(read) | set(looked_up) == set(asked), name
        for metric in module.metrics:
            known = {index.labelname for index in metric.indexes}
            assert all(set(lookup.labels) <= known for lookup in metric.lookups), metric.name


def test_no_metric_name_comes_twice() -> None:
    names = [metric.name for module in shipped().values() for metric in module.metrics]
    assert len(names) == len(set(names))


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    paths = [
        write(tmp_path, "a.yaml", f"modules: {{one: {{walk: [1.3.x], metrics: [{METRIC}]}}}}"),
        write(tmp_path, "b.yaml", f"modules: {{two: {{wlak: [1.3.6], metrics: [{METRIC}]}}}}"),
        write(tmp_path, "c.yaml", "modules: {three: {metrics: [{name: a, oid: 1.3.6, type: Gauge, help: h}]}}"),
        write(tmp_path, "d.yaml", "modules: [\n"),
    ]
    with pytest.raises(Problems) as raised:
        load(paths)
    text = raised.value.report()
    assert "a.yaml: modules.one.walk.0" in text
    assert "not an object identifier: '1.3.x'" in text
    assert "b.yaml: modules.two.wlak" in text
    assert "c.yaml: modules.three.metrics.0.type" in text
    assert "'gauge', 'counter', 'DisplayString' or 'InetAddressIPv4'" in text
    assert "d.yaml: cannot be read as YAML" in text


def test_a_module_defined_twice_is_told(tmp_path: Path) -> None:
    text = f"modules: {{one: {{walk: [1.3.6], metrics: [{METRIC}]}}}}"
    with pytest.raises(Problems, match=r"b\.yaml: modules\.one: defined twice"):
        load([write(tmp_path, "a.yaml", text), write(tmp_path, "b.yaml", text)])
