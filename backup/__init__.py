"""Backups that are known to come back.

A ``Duty`` says what one host has to do for one service. ``job`` saves (``source`` → ``manifest`` → ``restic`` →
``copy``), ``proof`` restores at the DR site and starts what was saved in a ``bubble``, ``place`` puts a snapshot into
service. Everything that runs a program goes through ``host.Shell``.
"""
