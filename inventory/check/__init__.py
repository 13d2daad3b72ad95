"""What must hold for a district beyond the form of its entries. One module per subject, one function per rule."""

from __future__ import annotations

from inventory.check import (
    addresses,
    approval,
    identity,
    links,
    policy,
    protection,
    record,
    references,
    resilience,
    routing,
    units,
)

CHECKS = (
    *identity.CHECKS,
    *references.CHECKS,
    *addresses.CHECKS,
    *links.CHECKS,
    *units.CHECKS,
    *policy.CHECKS,
    *routing.CHECKS,
    *approval.CHECKS,
    *protection.CHECKS,
    *resilience.CHECKS,
)
WARNINGS = (*units.WARNINGS, *resilience.WARNINGS, *protection.WARNINGS)
RECORD_CHECKS = record.CHECKS
RECORD_WARNINGS = record.WARNINGS
