"""Where runs are made: on all cores of this computer, or on a cluster that is there already."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

import joblib

from kilograd.errors import UserError

#: Seconds that a cluster has to answer.
_PATIENCE = 10.0

#: A function and its arguments.
Job = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Cluster:
    """Where runs are made.

    Attributes:
        address: ``dask://host:port`` or ``ray://host:port``; None for this computer.
        workers: on this computer; None for one a core.
    """

    address: str | None = None
    workers: int | None = None

    def run(self, jobs: Sequence[Job]) -> Iterator[Any]:
        """Results of jobs as they come, in whatever order.

        Raises:
            UserError: the cluster does not answer, or what it is reached with is not installed.
        """
        with self._backend():
            parallel = joblib.Parallel(
                n_jobs=self.workers or -1, return_as="generator_unordered", max_nbytes="1M"
            )
            yield from parallel(joblib.delayed(function)(*given) for function, given in jobs)

    def run_in_order(self, jobs: Sequence[Job]) -> list[Any]:
        """Results of jobs in the order of the jobs.

        Raises:
            UserError: as `run`.
        """
        numbered = [(_numbered, (number, *job)) for number, job in enumerate(jobs)]
        return [result for _, result in sorted(self.run(numbered), key=itemgetter(0))]

    def _backend(self) -> AbstractContextManager[Any]:
        if self.address is None:
            return nullcontext()
        parts = urlsplit(self.address)
        if parts.scheme not in _BACKENDS or not parts.hostname or not parts.port:
            raise UserError(
                f"{self.address!r} is no address of a cluster",
                where="cluster",
                hint="dask://host:port and ray://host:port are known",
            )
        _check_answers(self.address, parts.hostname, parts.port)
        return _BACKENDS[parts.scheme](parts.hostname, parts.port)


def _numbered(number: int, function: Callable[..., Any], given: tuple[Any, ...]) -> tuple[int, Any]:
    """What a worker does."""
    return number, function(*given)


#: One worker a core.
THIS_COMPUTER = Cluster()


def _check_answers(address: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except OSError as error:
        raise UserError(
            f"the cluster at {address} does not answer: {error}",
            hint="finished runs are kept; start the cluster, or leave it out to use this computer",
        ) from error


def _require(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise UserError(f"{module} is not installed", hint=f"pip install 'kilograd[{extra}]'")


@contextmanager
def _dask(host: str, port: int) -> Generator[None]:
    _require("distributed", "dask")
    distributed: Any = import_module("distributed")
    try:
        client = distributed.Client(f"tcp://{host}:{port}", timeout=_PATIENCE)
    except (OSError, TimeoutError) as error:
        raise UserError(
            f"the cluster at dask://{host}:{port} does not answer as one: {error}",
            hint="is it the address of the scheduler, not of its web page?",
        ) from error
    try:
        with joblib.parallel_config(backend="dask", client=client):
            yield
    finally:
        client.close()


def _ray(host: str, port: int) -> AbstractContextManager[Any]:
    _require("ray", "ray")
    # By name, since it is no dependency and its types are not here.
    ray: Any = import_module("ray")
    ray.init(f"ray://{host}:{port}")
    import_module("ray.util.joblib").register_ray()
    return joblib.parallel_config(backend="ray")


_BACKENDS: dict[str, Callable[[str, int], AbstractContextManager[Any]]] = {
    "dask": _dask,
    "ray": _ray,
}
