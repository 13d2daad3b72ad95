"""The NAPALM driver of the ``emulated`` platform: the linux driver, talking to a device of ``lab.fleet``.

What a device is asked and what it answers is the same; only the way there is a plain connection on this machine, and
whoever holds the fleet's token is let in. The device with the loopback 10.1.2.3 listens at 127.1.2.3: nothing that is
meant for an emulated device ever leaves the machine. The token's file also says the port: fleets can run side by side.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from napalm.base.exceptions import (
    CommandTimeoutException,
    ConnectAuthError,
    ConnectionClosedException,
    ConnectionException,
    ConnectTimeoutError,
)

from nornir_tasks.drivers.linux import LinuxDriver
from nornir_tasks.drivers.linux_device import Problem
from nornir_tasks.drivers.linux_session import Refusal


def on_this_machine(loopback: str) -> str:
    """Return where the device with a loopback listens: the same address below 127.0.0.0/8."""
    return f"127.{loopback.partition('.')[2]}"


class EmulatedDriver(LinuxDriver):
    """A linux device, emulated. ``optional_args``: ``key_file``, which holds the fleet's token and its port."""

    platform = "emulated"
    _session: Any  # a Conversation, where the linux driver has its Session

    def __init__(
        self,
        hostname: str,
        username: str,
        password: str,
        timeout: int = 60,
        optional_args: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(hostname, username, password, timeout, optional_args)
        self._session = Conversation(hostname, Path((optional_args or {}).get("key_file", "")), float(timeout))


class Conversation:
    """The same as ``linux_session.Session``, without SSH: on this machine only."""

    def __init__(self, host: str, token: Path, timeout: float) -> None:
        self._host, self._token, self._timeout = host, token, timeout
        self._socket: socket.socket | None = None
        self._unread = b""

    def open(self) -> None:
        """Connect and show that we hold the token.

        Raise ConnectAuthError if it is the wrong one, ConnectTimeoutError if nobody answers, ConnectionException for
        everything else.
        """
        try:
            token, port = self._token.read_text(encoding="ascii").split()
            self._socket = socket.create_connection((on_this_machine(self._host), int(port)), timeout=self._timeout)
            nonce = json.loads(self._line())["nonce"]
            proof = hmac.new(token.encode(), nonce.encode(), hashlib.sha256).hexdigest()
            self._socket.sendall(f"{proof}\n".encode())
            known = json.loads(self._line())["known"]
        except TimeoutError as error:
            self.close()
            raise ConnectTimeoutError(f"{self._host}: no answer within {self._timeout:g} s") from error
        except (OSError, EOFError, ValueError, LookupError) as error:
            self.close()
            raise ConnectionException(f"{self._host}: {error or type(error).__name__}") from error
        if not known:
            self.close()
            raise ConnectAuthError(f"{self._host} does not let us in with {self._token}")

    def close(self) -> None:
        """End the connection. What is pending on the device stays pending."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
        self._socket, self._unread = None, b""

    def alive(self) -> bool:
        """Return whether the connection stands, as far as this end knows."""
        return self._socket is not None

    def ask(self, verb: str, **arguments: object) -> Mapping[str, Any]:
        """Return the device's answer to a request. Raise as ``linux_session.Session.ask`` does."""
        if self._socket is None:
            raise ConnectionClosedException(f"{self._host}: the connection is closed")
        try:
            self._socket.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            reply = json.loads(self._line())
        except TimeoutError:
            self.close()
            raise CommandTimeoutException(f"{self._host}: no answer to '{verb}' within {self._timeout:g} s") from None
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise ConnectionClosedException(f"{self._host}: it ended during '{verb}': {error}") from error
        if "error" in reply:
            problems = [str(Problem(**problem)) for problem in reply["error"]["problems"]]
            raise Refusal(reply["error"]["kind"], "\n".join(problems))
        answer: Mapping[str, Any] = reply
        return answer

    def run(self, command: str) -> str:
        """Raise NotImplementedError: there is no shell behind an emulated device."""
        raise NotImplementedError(f"an emulated device has no shell to run '{command}'")

    def _line(self) -> bytes:
        while b"\n" not in self._unread:
            received = self._socket.recv(1 << 16) if self._socket else b""
            if not received:
                raise EOFError("it said nothing")
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return line
