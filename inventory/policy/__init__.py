"""Who may start talking to whom: the rules of ``policy.yaml`` as pure functions, and what packets must find.

``permits`` decides about one flow, ``expected`` about every flow worth trying. The packet filters in
``inventory.intent.filters`` are made from the same rules, and the lab's packets show whether the two agree.
"""

from inventory.policy.matrix import Cell, Matrix, expected
from inventory.policy.rules import Target, announced, external_address, permits

__all__ = ["Cell", "Matrix", "Target", "announced", "expected", "external_address", "permits"]
