"""Who may start talking to whom: the rules of ``policy.yaml`` as pure functions, and what packets must find.

``permits`` decides about one flow. The packet filters in ``inventory.intent.filters`` are made from the same rules, and
the lab's packets show whether the two agree.
"""

from inventory.policy.rules import Target, announced, external_address, permits

__all__ = ["Target", "announced", "external_address", "permits"]
