"""The dask runner with a real scheduler and real workers, one of which is killed in the middle of a change."""

from __future__ import annotations

import datetime as dt
import ipaddress
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cluster
import fleet
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from netdr.kernel.errors import MissingError, UnreachableError, UsageError
from nornir_tasks import actions
from nornir_tasks.each import Each
from nornir_tasks.runners import chosen
from nornir_tasks.runners.pinned import Pinned

if TYPE_CHECKING:
    from conftest import Scene, Strike

pytestmark = pytest.mark.tools


READ = Each(actions.running)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[cluster.Cluster]:
    with cluster.cluster(tmp_path, 3) as found:
        yield found


def first(three: cluster.Cluster) -> subprocess.Popen[bytes]:
    """Return the worker that has the devices of the lowest ids."""
    return three.workers[min(three.workers)]


def test_a_change_reaches_every_device_and_everyone_is_told(
    scene: Scene, strike: type[Strike], three: cluster.Cluster
) -> None:
    watching = strike("nothing", lambda: None)
    with scene.engine(f"dask:{three.address}") as devices:
        report = devices.deploy(devices.plan_change(), watching.options)
        assert report.result == "done"
        assert devices.deploy(devices.plan_change()).result == "nothing"
    assert watching.seen == set(scene.after)
    scene.assert_all_or_none(report)


@pytest.mark.parametrize("stage", ["arm", "confirm"])
def test_a_worker_killed_in_the_middle_leaves_all_or_none(
    scene: Scene, strike: type[Strike], three: cluster.Cluster, stage: str
) -> None:
    killing = strike(stage, lambda: first(three).kill())
    with scene.engine(f"dask:{three.address}") as devices:
        report = devices.deploy(devices.plan_change(), killing.options)
    assert killing.struck
    scene.assert_all_or_none(report)
    if report.result != "done":
        assert "is lost" in " ".join(map(str, report.failures))
    # Two workers are left, and they are enough.
    with scene.engine(f"dask:{three.address}") as devices:
        assert devices.deploy(devices.plan_change()).result in {"done", "nothing"}
    assert scene.served.running() == scene.after


def test_a_worker_that_hangs_costs_its_devices_one_step(scene: Scene, three: cluster.Cluster) -> None:
    names = list(scene.after)
    runner = chosen(f"dask:{three.address}", scene.place.state)
    assert isinstance(runner, Pinned)
    # The first step loads drivers, which on a busy machine takes longer than anybody is to wait below.
    assert scene.fleet(runner).run(names, "read", READ).outcomes.ok
    with scene.fleet(Pinned(runner.pool, patience=4.0)) as devices:
        assert devices.run(names, "read", READ).outcomes.ok
        first(three).send_signal(signal.SIGSTOP)
        failures = devices.run(names, "read", READ).outcomes.failures
        assert len(failures) == len(names) // 3
        assert {type(failure) for failure in failures} == {UnreachableError}
        assert devices.run(names, "read", READ).values == scene.before


def test_without_its_scheduler_every_device_is_out_of_reach(scene: Scene, tmp_path: Path) -> None:
    names = list(scene.after)
    with cluster.cluster(tmp_path, 1) as one:
        devices = scene.fleet(chosen(f"dask:{one.address}", scene.place.state))
        assert devices.run(names, "read", READ).outcomes.ok
    failures = devices.run(names, "read", READ).outcomes.failures
    devices.close()
    assert [failure.where for failure in failures] == sorted(names)
    assert {type(failure) for failure in failures} == {UnreachableError}


def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no Dask scheduler answers"):
        chosen("dask:tcp://127.0.0.1:9", tmp_path)


def test_over_a_network_only_with_encryption(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in the clear") as caught:
        chosen("dask:tcp://192.0.2.1:8786", tmp_path)
    assert "tls://" in caught.value.hint
    with pytest.raises(MissingError, match=r"dask/ca\.pem"):
        chosen("dask:tls://192.0.2.1:8786", tmp_path)


def test_a_machine_without_the_package_is_told_how_to_get_it(tmp_path: Path) -> None:
    lines = "import sys; sys.modules['distributed'] = None; from pathlib import Path; from nornir_tasks import runners"
    script = f"{lines}\ntry:\n    runners.chosen('dask:tcp://127.0.0.1:9', Path({str(tmp_path)!r}))\n"
    script += "except Exception as error:\n    print(error.report())\n"
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, cwd=fleet.ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "a package that is not installed" in done.stdout
    assert "pip install --require-hashes -r requirements.lock" in done.stdout


def test_with_certificates_of_one_authority_all_is_encrypted(scene: Scene, tmp_path: Path) -> None:
    """The address is loopback, but it is the scheme that decides: tls:// means certificates on both ends."""
    folder = scene.place.state / "dask"
    certify(folder)
    tls = {"--tls-ca-file": "ca.pem", "--tls-cert": "cert.pem", "--tls-key": "key.pem"}
    options = {option: str(folder / name) for option, name in tls.items()}
    with cluster.cluster(tmp_path, 1, options) as encrypted:
        assert encrypted.address.startswith("tls://")
        assert all(address.startswith("tls://") for address in encrypted.workers)
        with scene.fleet(chosen(f"dask:{encrypted.address}", scene.place.state)) as devices:
            assert devices.run(list(scene.after), "read", READ).values == scene.before


def certify(folder: Path) -> None:
    """Make an authority and a certificate of this machine by it (RFC 5280), as an operator would with openssl."""
    folder.mkdir(mode=0o700, exist_ok=True)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    now = dt.datetime.now(dt.UTC)

    def signed(name: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool) -> bytes:
        builder = x509.CertificateBuilder(issuer, name, public, x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        made = builder.add_extension(here, critical=False).sign(authority, hashes.SHA256())
        return made.public_bytes(Encoding.PEM)

    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    (folder / "ca.pem").write_bytes(signed(issuer, authority.public_key(), ca=True))
    (folder / "cert.pem").write_bytes(signed(own, key.public_key(), ca=False))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
