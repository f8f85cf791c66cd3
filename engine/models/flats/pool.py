"""The two threads that Flats works on."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

THREADS = 2

T = TypeVar("T")
R = TypeVar("R")


class WorkerPool:
    """`check` is asked twice a second; what it raises ends the work."""

    def __init__(self, executor: ThreadPoolExecutor, check: Callable[[], None]) -> None:
        self._executor, self._check = executor, check

    def map_unordered(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """`function` of every item on the threads, in order of completion, never more at a time than the threads can take."""
        waiting: dict[Future[R], T] = {}
        rest = iter(items)
        try:
            while True:
                self._check()
                for item in itertools.islice(rest, 2 * THREADS - len(waiting)):
                    waiting[self._executor.submit(function, item)] = item
                if not waiting:
                    return
                done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def open_pool(check: Callable[[], None]) -> Iterator[WorkerPool]:
    with ThreadPoolExecutor(THREADS, thread_name_prefix="flats") as executor:
        yield WorkerPool(executor, check)
