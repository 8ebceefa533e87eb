"""One large job on several processes: torchrun starts them, each takes its part of every batch."""

import atexit
import os
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from messy_mashup.errors import UserError

LONGEST_WAIT = timedelta(hours=2)  # of the others, while the first validates


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is; one of one without torchrun."""

    rank: int = 0
    count: int = 1
    local: int = 0  # on this machine: the number of its GPU

    @classmethod
    def here(cls) -> "Ranks":
        """By torchrun's environment; joins the other processes, by NCCL on GPUs and by Gloo on CPUs."""
        if "WORLD_SIZE" not in os.environ:
            return cls()
        ranks = cls(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
        if not distributed.is_initialized():
            on_gpus = torch.cuda.is_available()
            if on_gpus:
                torch.cuda.set_device(ranks.local)
            distributed.init_process_group("nccl" if on_gpus else "gloo", timeout=LONGEST_WAIT)
            atexit.register(distributed.destroy_process_group)
        return ranks

    @property
    def leads(self) -> bool:
        """Whether this process validates, writes and prints."""
        return self.rank == 0

    def part_of(self, batch_size: int) -> int:
        """The mashups of a batch that each process plays."""
        if batch_size % self.count:
            raise UserError(f"a batch of {batch_size} does not divide among {self.count} processes: set batch_size")
        return batch_size // self.count

    def wrapped(self, model: nn.Module) -> nn.Module:
        """The model whose gradients are the mean over all processes'; on GPUs batch norm looks at the whole batch."""
        if self.count == 1:
            return model
        if next(model.parameters()).device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
            return DistributedDataParallel(model, device_ids=[self.local])
        return DistributedDataParallel(model)

    def any(self, here: bool, device: torch.device) -> bool:
        """Whether it is so in any process."""
        if self.count == 1:
            return here
        processes = torch.tensor(float(here), device=device)
        distributed.all_reduce(processes)
        return processes.item() > 0

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.count > 1:
            distributed.barrier()
