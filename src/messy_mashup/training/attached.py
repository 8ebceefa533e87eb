"""Members that earlier kernels left, attached as input: copied, so that training and blending go on from them."""

import shutil
from pathlib import Path
from typing import Any

from messy_mashup import paths
from messy_mashup.errors import UserError
from messy_mashup.files import file_digest, files_below, refuse_link_out, write_whole
from messy_mashup.training.child_process import LOG
from messy_mashup.training.claimed_folder import CLAIM, LEASE, claimed
from messy_mashup.training.run_folder import (
    METRICS,
    OOF,
    STATE,
    TEST,
    WEIGHTS,
    is_complete,
    is_leftover,
    read_card,
    read_metrics,
    recipe_trained,
)

COUNTED = (WEIGHTS, STATE)  # what makes a folder a member's, copied last and in this order
REMEDY = "on Kaggle, push again with --without KERNEL for each whose member is not wanted; else move its folder away"


def adopt(folder: Path, runs: Path) -> Path | None:
    """Copy the attached member of that name into `folder` of `runs`, where that has nothing to go on from.

    Gives the folder it was copied from, None where nothing was. Of several the one that is furthest is taken;
    UserError names them where their recipes differ, or where two are equally far and differ.
    """
    if _goes_on(folder):
        return None
    return _copied(folder, _attached(folder.relative_to(runs).parts))


def adopt_all(runs: Path) -> dict[Path, Path]:
    """Adopt every attached member, of whatever run: the new folders below `runs`, and where each came from."""
    places: dict[tuple[str, ...], list[Path]] = {}
    for place in _attached():
        places.setdefault(place.parts[-2:], []).append(place)
    adopted = {}
    for name, found in sorted(places.items()):
        folder = runs.joinpath(*name)
        with claimed(folder):
            if not _goes_on(folder) and (source := _copied(folder, found)):
                adopted[folder] = source
    return adopted


def _goes_on(folder: Path) -> bool:
    """Whether there is something to go on from, or nothing left to do."""
    return (folder / STATE).exists() or ((folder / WEIGHTS).exists() and is_complete(folder))


def _copied(folder: Path, places: list[Path]) -> Path | None:
    """Copy the furthest of the attached members, the folder itself apart; gives where it was."""
    found = [place for place in places if place.resolve() != folder.resolve()]
    if not found:
        return None
    source = _furthest(found)
    for path in sorted(_files(source), key=_copied_when):
        with write_whole(folder / path.relative_to(source)) as temporary:
            shutil.copyfile(path, temporary)
    return source


def _attached(name: tuple[str, ...] = ()) -> list[Path]:
    """Folders below the inputs that hold a member of a run and whose path ends in `name`."""
    folders = paths.folders_below(paths.inputs(), depth=paths.ATTACHED_DEPTH)
    runs = (folder for folder in folders if paths.STUDIES not in folder.parts)
    named = (folder for folder in runs if folder.parts[len(folder.parts) - len(name) :] == name)
    return [folder for folder in named if any((folder / file).exists() for file in COUNTED)]


def _furthest(members: list[Path]) -> Path:
    _refuse_other_recipes(members)
    distance = {member: _distance(member) for member in members}
    furthest = [member for member in members if distance[member] == max(distance.values())]
    if len({tuple(_digest(member / file) for file in COUNTED) for member in furthest}) > 1:
        listed = "".join(f"\n  {member}" for member in furthest)
        raise UserError(
            f"members of one name are attached that are equally far and differ, of which one may stay: {REMEDY}{listed}"
        )
    return furthest[0]


def _refuse_other_recipes(members: list[Path]) -> None:
    """Progress tells nothing between members of different recipes: the older of them may well be further."""
    first, *others = members
    recipe = recipe_trained(first) if others else None
    for other in others:
        if (its := recipe_trained(other)) != recipe:
            raise UserError(
                f"members of one name are attached whose recipes differ ({_difference(recipe, its)}), {first} and "
                f"{other}: {REMEDY}"
            )


def _difference(one: Any, other: Any, name: str = "") -> str:
    """The first field that two recipes do not share, with both values."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return f"{name} is {one!r} and {other!r}"
    key = next(key for key in (*one, *other) if key not in one or key not in other or one[key] != other[key])
    return _difference(one.get(key), other.get(key), f"{name}.{key}" if name else str(key))


def _distance(member: Path) -> tuple[float, ...]:
    """How far a member is: whole epochs, steps of the next one, and what is predicted."""
    predicted = ((member / OOF).exists(), (member / TEST).exists())
    if (member / STATE).exists():
        header = read_card(member / STATE)
        return (len(header["rows"]), header["progress"].get("step", 0), *predicted)
    return (len(read_metrics(member)) if (member / METRICS).exists() else 0, 0, *predicted)


def _digest(path: Path) -> bytes | None:
    return file_digest(path) if path.exists() else None


def _files(member: Path) -> list[Path]:
    """A member's files, without what belonged to the process that wrote them; UserError for a link out of it."""
    files = list(files_below(member))
    for path in files:
        refuse_link_out(path, member)
    return [path for path in files if path.name not in (CLAIM, LEASE, LOG) and not is_leftover(path)]


def _copied_when(path: Path) -> tuple[int, Path]:
    """What a resume looks for comes last, so that a copy that was killed is begun again."""
    return (COUNTED.index(path.name) + 1 if path.name in COUNTED else 0), path
