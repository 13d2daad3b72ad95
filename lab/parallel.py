"""Do one thing to many nodes, as many at once as the machine has cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from netdr.kernel.errors import NetdrError, Problems


def each(names: Iterable[str], act: Callable[[str], object]) -> None:
    """Call ``act`` with every name. Raise Problems with all that failed, sorted, after all others are done.

    Any other exception, Ctrl-C above all, stops what has not begun yet.
    """
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
        futures = [pool.submit(act, name) for name in names]
        try:
            problems = [error for future in as_completed(futures) if (error := _problem(future)) is not None]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if problems:
        raise Problems(sorted(problems, key=str))


def _problem(future: Future[object]) -> NetdrError | None:
    try:
        future.result()
    except NetdrError as error:
        return error
    return None
