"""Where NAPALM looks for a driver called ``linux`` (``get_network_driver``)."""

from nornir_tasks.drivers.linux import LinuxDriver

__all__ = ["LinuxDriver"]
