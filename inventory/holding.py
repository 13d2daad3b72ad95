"""Which host holds what is backed up, at home and at the DR site."""

from __future__ import annotations

from inventory.asset import Asset
from inventory.network import Network
from netdr.kernel.errors import UsageError


def holder(network: Network, asset: Asset, site: str) -> str:
    """Return the host that holds an asset at a site: copies are on a services host, whatever holds the asset at home.

    Raise UsageError if there is none.
    """
    if asset.on == "services" or site != asset.home:
        return services_host(network, site)
    found = network.hosts("controller", site)
    if not found:
        raise UsageError(f"no controller at site '{site}'", hint="add one to hosts.yaml")
    return found[0].id


def services_host(network: Network, site: str) -> str:
    """Return the id of the services host at a site. Raise UsageError if there is none."""
    found = network.hosts("services", site)
    if not found:
        raise UsageError(f"no services host at site '{site}'", hint="add one to hosts.yaml")
    return found[0].id
