"""What a device's own change takes away of the way in: its loopback, sshd, the account, the key, the filter. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from inventory.network import Network
from nornir_tasks.reach import Packet, Reach, Ssh

# Where netdr connects to: the loopback, on sshd's own port.
SSH = 22


def lost(network: Network, device: str, controller: str, running: Reach, intended: Reach) -> tuple[str, ...]:
    """Return a sentence for everything a controller needs to log in that is there now and would not be then."""
    now, then = (dict(_held(network, device, controller, reach)) for reach in (running, intended))
    return tuple(words for words, held in now.items() if held and not then.get(words)) + _keys(running, intended)


def _held(network: Network, device: str, controller: str, reach: Reach) -> Iterator[tuple[str, bool]]:
    loopback, source = network.node(device).loopback, network.node(controller).loopback
    account, ssh = network.district.settings.management.account, reach.ssh or Ssh(port=0)
    own = [port for port in reach.ports.values() if loopback in {address.ip for address in port.addresses}]
    yield f"its loopback {loopback} goes", bool(own)
    yield f"nobody is told the way to its loopback {loopback}", any(port.told for port in own)
    yield (
        f"sshd does not listen on {loopback} any more",
        ssh.port == SSH and (ssh.listen is None or loopback in ssh.listen),
    )
    yield f"the account {account} may not log in any more", ssh.accounts is None or account in ssh.accounts
    packet = Packet(source, loopback, "tcp", SSH)
    yield f"its filter does not let {controller} in any more", reach.filter.accepts(packet)


def _keys(running: Reach, intended: Reach) -> tuple[str, ...]:
    """Return a sentence if none of the keys that are accepted now would be accepted then."""
    now, then = (reach.ssh.keys if reach.ssh else None for reach in (running, intended))
    return (
        ("the key that it is reached with is not accepted any more",)
        if now and then is not None and not now & then
        else ()
    )
