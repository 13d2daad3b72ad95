"""How each platform says what a device should do. Data: no code.

``roles.yaml`` says which features a role has; ``<platform>/platform.yaml`` what the platform can do and in which file
each feature is written; ``<platform>/<feature>.j2`` how it is said. A template sees one object, ``device``
(``inventory.intent.DeviceIntent``), and has two filters, ``secret`` and ``localized`` (``nornir_tasks.render``).
"""
