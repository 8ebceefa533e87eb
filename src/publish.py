"""Write a run or a blend as a folder for the Hugging Face hub, with a model card, and send it there.

    python src/publish.py RUN_OR_BLEND --out DIR                       look at it first
    python src/publish.py RUN_OR_BLEND --out DIR --push OWNER/NAME     and send it: private, unless --public

AutoModelForAudioClassification.from_pretrained(DIR) and pipeline("audio-classification", DIR) load an AST with the
plain linear head, its adapters merged. Other members are ONNX, a wave in, probabilities out, and the card says so.
Of a run the member of all songs is released, or --member fold0, and the others with --members; of a blend all are.
RUN_OR_BLEND is a name below runs/, or a path. --out is replaced where it is a release, and refused where it is not.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from messy_mashup import paths
from messy_mashup.errors import run_script

if TYPE_CHECKING:
    from messy_mashup.release.model_card import Card
    from messy_mashup.release.released_members import Released


def main() -> None:
    """Parse, choose, write, send, print."""
    options = _options()
    from messy_mashup.release import hub_upload
    from messy_mashup.release.release_folder import refuse_other, write_release
    from messy_mashup.release.released_members import released

    if options.push:
        hub_upload.check_repository_name(options.push)
    refuse_other(options.out)
    chosen = released(options.runs, options.run_or_blend, options.member, options.members)
    card = _card(options, chosen)
    written = write_release(options.out, chosen, card)
    _tell(chosen, card, written.loads)
    print(f"{options.out}: {len(written.files)} files; read its README.md before others do")
    if options.push:
        print(hub_upload.upload(options.out, options.push, options.public))


def _card(options: argparse.Namespace, chosen: "Released") -> "Card":
    from messy_mashup.competition import ledger
    from messy_mashup.competition.entry import LEDGER
    from messy_mashup.release.card_scores import LeaderboardScore
    from messy_mashup.release.licences import licence_of
    from messy_mashup.release.model_card import Card
    from messy_mashup.release.training_data import TrainingData
    from messy_mashup.scoring.ensemble import fold_spread
    from messy_mashup.scoring.report_figures import figures
    from messy_mashup.training.evaluated import evaluated

    root, subject = chosen.root, chosen.subject
    licences = {member.name: licence_of(member.recipe.backbone, options.licence) for member in chosen.members}
    data = TrainingData.of(root.folder, root.recipe.corpus, options.runs, options.data)
    names = [member.relative_to(options.runs).as_posix() for member in subject.members]
    # Of the whole blend, with what match.py found, where it has that: these entries are not of what is released
    entries = (
        []
        if chosen.matcher_left_out
        else ledger.entries_of(options.submissions / LEDGER, names, fold_spread(subject.held_out).mean)
    )
    alone = subject.kind == "blend" and evaluated(options.runs, str(options.runs / root.run))
    return Card(
        figures(chosen.held_out),
        data,
        licences,
        figures(alone.held_out) if alone else None,
        tuple(LeaderboardScore(entry.file, entry.public, entry.private) for entry in entries),
        options.push,
    )


def _tell(chosen: "Released", card: "Card", loads: bool) -> None:
    for note in chosen.subject.notes:
        print(note)
    how = "transformers loads it" if loads else "as ONNX, which from_pretrained does not load"
    print(f"in the root: {chosen.root.name} ({how}); licence: {card.licence}")
    if chosen.others:
        print(f"in members/: {', '.join(member.name for member in chosen.others)}")
    if chosen.matcher_left_out:
        print("left out, and the score is without it: what match.py found in the test mashups")
    if card.data.is_synthetic:
        print("trained on the demo's synthetic music: the card says so at its top")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run_or_blend", metavar="RUN_OR_BLEND", help="name or path")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the release")
    member_help = "the member to put into the root, such as fold0, or RUN/fold0 of a blend (default: that of all songs)"
    parser.add_argument("--member", metavar="NAME", help=member_help)
    parser.add_argument("--members", action="store_true", help="of a run: all its members, in members/, not one alone")
    parser.add_argument("--push", metavar="OWNER/NAME", help="send it to this repository on the hub")
    parser.add_argument("--public", action="store_true", help="where the repository is made: for all to see")
    licence_help = "licence of the weights by the hub's name of it (default: that of what they began with)"
    parser.add_argument("--licence", metavar="NAME", help=licence_help)
    parser.add_argument("--data", type=Path, help="folder of the data set, where its bank is gone")
    parser.add_argument("--runs", type=Path, default=paths.runs(), help="folder of all runs (default: runs/)")
    submissions_help = "folder of the ledger, for scores of the test set (default: submissions/)"
    parser.add_argument("--submissions", type=Path, default=paths.submissions(), help=submissions_help)
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
