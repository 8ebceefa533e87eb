"""The way to a cluster: found, or started on this machine alone, and looked at before anything is trained."""

import fcntl
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import NodeDiedError, RayError, TaskUnschedulableError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from messy_mashup.cluster import tasks
from messy_mashup.cluster.crew import Share
from messy_mashup.errors import UserError

STORE_BYTES = 80 * 2**20  # of a cluster of this machine alone: tasks exchange sentences
KNOCK_S, LOOK_S = 10.0, 120.0
MISMATCH = "Version mismatch"  # how Ray begins what it says of versions


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """A connection to the cluster at `address`, "auto" for the one of this machine; without, one is started here."""
    alone = {"object_store_memory": STORE_BYTES, "include_dashboard": False} if address is None else {}
    try:
        if address not in (None, "auto"):
            _knock(address)  # Ray itself tries for minutes
        ray.init(address or "local", log_to_driver=False, logging_level="error", **alone)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        if MISMATCH in str(error):
            raise UserError(
                f"the cluster at {address} and this machine differ ({' '.join(str(error).split())}): install the same "
                "Python and the same ray on all nodes, and start the cluster again"
            ) from error
        raise UserError(
            f"no Ray cluster answers at {address} ({str(error).splitlines()[0]}): start one with `ray start --head`, "
            "name the HOST:PORT that it prints, or leave --address out to use this machine alone"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """OSError or ValueError where nothing listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), KNOCK_S).close()


def nodes() -> list[dict]:
    """The nodes that live."""
    return [node for node in ray.nodes() if node["Alive"]]


def share_of(cpus: int, gpus: float | None) -> Share:
    """The share a job has; by default a GPU where a node has one. UserError where no node could ever give it."""
    most = {kind: max((node["Resources"].get(kind, 0.0) for node in nodes()), default=0.0) for kind in ("CPU", "GPU")}
    share = Share(cpus, (1.0 if most["GPU"] else 0.0) if gpus is None else gpus)
    for kind, wanted, option in (("CPU", share.cpus, "--cpus"), ("GPU", share.gpus, "--gpus")):
        if wanted > most[kind]:
            raise UserError(
                f"{option} {wanted:g}: no node has more than {most[kind]:g} {kind}s, so nothing would ever run"
            )
    if not any(_fits(node["Resources"], share) for node in nodes()):
        raise UserError(f"--cpus {share.cpus} --gpus {share.gpus:g}: no node has both, so nothing would ever run")
    return share


def room(share: Share) -> int:
    """How many jobs the nodes can do at a time."""
    return sum(_room(node["Resources"], share) for node in nodes())


def check_nodes(places: Sequence[Path], runs: Path) -> None:
    """UserError that names the nodes that lack code, data or the shared storage, or have other versions."""
    token = uuid.uuid4().hex
    note = runs.absolute() / f".fleet-{token}"
    runs.mkdir(parents=True, exist_ok=True)
    note.write_text(token)
    arguments = ([str(place.absolute()) for place in (*places, runs)], str(note), token, tasks.Software.here())
    try:
        found = {_name(node): _looked(node, arguments) for node in nodes()}
    finally:
        note.unlink()
    if lacking := [f"{name}: {what}" for name, what in found.items() if what]:
        raise UserError("nodes that cannot train what this one can:\n" + "\n".join(lacking))


def check_locks(folder: Path) -> None:
    """UserError that names the nodes which do not feel a lock of this one in `folder`: a study's processes need it."""
    with (folder / f".fleet-{uuid.uuid4().hex}").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            without = [_name(node) for node in nodes() if _asked(node, tasks.locks_reach, lock.name) is False]
        finally:
            Path(lock.name).unlink()
    if without:
        raise UserError(
            f"locks of files in {folder} do not reach {', '.join(without)}, so that several nodes would draw the same "
            "trials: mount it so that they do (NFS 4 does), or search on one node with tune.py"
        )


def _asked(node: dict, function: Callable, *arguments: object) -> Any:
    """What a function returns on that node; None where the node has just gone, which Ray learns late."""
    here_only = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=here_only)(function)
    try:
        return ray.get(task.remote(*arguments), timeout=LOOK_S)
    except (TaskUnschedulableError, NodeDiedError):
        return None


def _looked(node: dict, arguments: tuple) -> str | None:
    try:
        return _asked(node, tasks.look, *arguments)
    except RayError as error:
        return f"it cannot run this code ({str(error).strip().splitlines()[-1]}): the same path and packages as here"


def _name(node: dict) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:6]})"


def _fits(resources: dict, share: Share) -> bool:
    return resources.get("CPU", 0.0) >= share.cpus and resources.get("GPU", 0.0) >= share.gpus


def _room(resources: dict, share: Share) -> int:
    by_cpu = resources.get("CPU", 0.0) // share.cpus
    return int(min(by_cpu, resources.get("GPU", 0.0) // share.gpus) if share.gpus else by_cpu)
