"""Where NAPALM looks for a driver called ``emulated`` (``get_network_driver``)."""

from nornir_tasks.drivers.emulated import EmulatedDriver

__all__ = ["EmulatedDriver"]
