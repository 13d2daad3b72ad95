"""Thousands of devices in one process: what a device does during a change, and nothing of what it does with packets.

For scale and for faults on request. The device with the loopback 10.1.2.3 listens at 127.1.2.3, on this machine only,
and keeps its own revert timer, so that it comes back when its controller is gone.

    python -m lab.fleet SPEC TOKEN      until standard input ends; TOKEN's file holds a token and a port, mode 0600
"""
