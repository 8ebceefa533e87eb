"""Weights from the hub: its cache first, then a download; and how names that do not fit are told."""

from collections.abc import Iterable
from pathlib import Path

from messy_mashup.errors import UserError


def from_hub(name: str, needed: Iterable[str], wanted: Iterable[str] = ()) -> Path:
    """The folder of the hub's model `name` with the files `needed`, and those `wanted` that it has.

    A model in the cache never asks the net. UserError where it is neither there nor given.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    needed = list(needed)
    files = [*needed, *wanted]
    try:
        cached = Path(snapshot_download(name, allow_patterns=files, local_files_only=True))
        if all((cached / file).is_file() for file in needed):
            return cached
    except (LocalEntryNotFoundError, HFValidationError):
        pass  # not cached, or no hub id at all, which the download below says
    try:
        return Path(snapshot_download(name, allow_patterns=files))
    except (HfHubHTTPError.__bases__[0], HFValidationError, OSError) as error:  # the base: of the hub's HTTP library
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"no weights {name}: no such file or folder, no mount of that name, not in the hub's cache, and the hub "
            f"does not give them ({reason}). With internet, run `python -c 'from huggingface_hub import "
            f'snapshot_download; print(snapshot_download("{name}"))\'` once, and attach that folder to the kernel as a '
            "data set or put it below input/"
        ) from error


def listed(names: Iterable[str]) -> str:
    """The first three, and how many more there are."""
    names = list(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
