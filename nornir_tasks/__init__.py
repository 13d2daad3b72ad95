"""Changing and reading network devices: render, diff, plan, deploy, verify.

The noun is the ``plan.Plan``: ``render`` and ``diff`` lead to it, ``deploy`` carries it out on all devices or on none,
through a ``session.DeviceSession`` for each device. Whatever decides is pure; ``fleet`` and ``deploy`` act.
"""
