from __future__ import annotations

from pathlib import Path

from monitoring.daemons import daemons


def test_every_daemon_listens_on_loopback_and_keeps_to_its_folders() -> None:
    made = daemons("/opt/netdr/bin/netdr", Path("/etc/netdr/inventory"), "keeper", Path("/c"), Path("/s"))
    assert [daemon.name for daemon in made] == ["netdr-exporter", "netdr-alertmanager", "netdr-prometheus"]
    for daemon in made:
        listening = [argument for argument in daemon.argv if ":90" in argument or ":91" in argument]
        assert daemon.user == "keeper"
        assert len(listening) == 1
        assert "127.0.0.1:" in listening[0]
        assert daemon.ready.startswith("http://127.0.0.1:")
        assert all(folder.is_relative_to("/s") for folder in daemon.folders)


def test_no_secret_is_on_a_command_line() -> None:
    text = " ".join(word for each in daemons("netdr", Path("i"), "keeper") for word in each.argv)
    assert not any(word in text.lower() for word in ("password", "secret", "auth", "priv"))
