"""Import torchvision beside a CPU build of torch.

The registries hold no CPU build of torchvision. The one they hold wants CUDA's torch: its compiled operators do not
load, and its own import then stops at registering shapes for them ("operator torchvision::nms does not exist").
timm and transformers import torchvision, but none of those operators is used here. So where the import fails for that
reason, it is repeated with the registration of `torchvision::*` made to do nothing. Users with a stock torch never
get there.

Call `import_torchvision()` before the first import of timm, transformers or peft.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


def import_torchvision() -> None:
    """Make `import torchvision` work from here on, whatever torch it stands beside."""
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _forget_half_imported()
        with _without_fake_registration():
            import torchvision  # noqa: F401


def _forget_half_imported() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


@contextmanager
def _without_fake_registration() -> Iterator[None]:
    register_fake = torch.library.register_fake

    def skip_torchvision(operator: Any, *rest: Any, **options: Any) -> Callable[..., Any]:
        if str(operator).startswith("torchvision::"):
            return lambda function: function
        return register_fake(operator, *rest, **options)

    torch.library.register_fake = skip_torchvision
    try:
        yield
    finally:
        torch.library.register_fake = register_fake
