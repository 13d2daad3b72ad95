"""Fetch a page and print its status, length, SHA-256 and text as JSON. Run as a program, inside a bubble."""

from __future__ import annotations

import hashlib
import http.client
import json
import sys

# A longer page is judged by its hash alone.
TEXT = 65536


def main(address: str, port: int, path: str) -> None:
    """Print ``{"status": …, "sha256": …, "bytes": …, "text": …}`` for http://address:port/path."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    text = body[:TEXT].decode("utf-8", "replace")
    found = {"status": answer.status, "sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body), "text": text}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
