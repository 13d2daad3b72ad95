"""What one device should do, in the field's own words and no vendor's.

``device_intent`` is a pure function of the network and of where each service is active. Secrets appear by the name
they have in the vault, never by value: whoever turns an intent into text reveals them.
"""

from inventory.intent.device import DeviceIntent, device_intent, home_placement, underlay

__all__ = ["DeviceIntent", "device_intent", "home_placement", "underlay"]
