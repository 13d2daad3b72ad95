"""Fetch a page and print its status and the SHA-256 of its body as JSON. Run as a program, inside a bubble."""

from __future__ import annotations

import hashlib
import http.client
import json
import sys


def main(port: int, path: str) -> None:
    """Print ``{"status": …, "sha256": …, "bytes": …}`` for http://127.0.0.1:port/path."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    found = {"status": answer.status, "sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
