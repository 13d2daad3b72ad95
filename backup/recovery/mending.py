"""A site, line or device is lost and mended: what a plan can do to see it, wait for it, and bring it up to date."""

from __future__ import annotations

from collections.abc import Sequence

from backup.recovery.plan import Step
from backup.recovery.scene import Scene
from backup.recovery.world import Facts
from netdr.kernel.errors import RecoveryError


def site_lost(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Return which nodes of the site are ``silent``. Raise RecoveryError if all of them answer."""
    nodes = [node.id for node in scene.world.network.at_site(scene.subject)]
    silent = _silent(scene, nodes)
    if not silent:
        raise RecoveryError("every node of the site answers: it is not lost", where=scene.subject)
    return {"silent": silent, "nodes": len(nodes)}


def site_whole(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Raise RecoveryError unless every node of the site answers."""
    return _demand(scene, [node.id for node in scene.world.network.at_site(scene.subject)])


def device_lost(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Raise RecoveryError if the device answers: what works is not replaced."""
    if scene.world.answering([scene.subject]):
        raise RecoveryError("the device answers: it is not dead", where=scene.subject)
    return {"silent": [scene.subject]}


def device_answers(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Raise RecoveryError unless the device answers."""
    return _demand(scene, [scene.subject])


def edge_answers(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Raise RecoveryError unless the devices that have the sessions up to the city answer."""
    return _demand(scene, [peer.device for peer in scene.world.network.district.uplink.peers])


def units_answer(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Return how many access switches were asked and which of them are ``silent``."""
    switches = [node.id for node in scene.world.network.devices if node.role == "access"]
    return {"asked": len(switches), "silent": _silent(scene, switches)}


def configure_site(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Bring the devices of the site to their intended state."""
    return scene.world.configure([n.id for n in scene.world.network.at_site(scene.subject) if n.kind == "device"])


def configure_device(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Bring the device to its intended state."""
    return scene.world.configure([scene.subject])


def copy_off_site(scene: Scene, step: Step, limit: float) -> Facts:
    """Copy to the DR site what it does not have yet."""
    return scene.world.services.job("copy", step.service, limit)


def prove(scene: Scene, step: Step, limit: float) -> Facts:
    """Prove that the copy at the DR site comes back."""
    return scene.world.services.job("verify", step.service, limit)


def _silent(scene: Scene, nodes: Sequence[str]) -> list[str]:
    return sorted(set(nodes) - set(scene.world.answering(nodes)))


def _demand(scene: Scene, nodes: Sequence[str]) -> Facts:
    if silent := _silent(scene, nodes):
        raise RecoveryError("not everything answers", where=scene.subject, why=f"no answer from {', '.join(silent)}")
    return {"nodes": len(nodes)}
