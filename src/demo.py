"""The main job from nothing: make a competition, then bank, training, blend, submission, ledger and scores.

    python src/demo.py [--songs 10] [--seconds 8]

It runs the same commands that a user types, each printed as it starts. All is left below input/demo and runs/demo;
a second call goes on from there.
"""

import argparse
import json
import time
from pathlib import Path

from messy_mashup import paths
from messy_mashup.errors import UserError, run_script

RESNET, CNN = "messy_mashup_resnet34_demo", "messy_mashup_cnn_demo"
BLENDS = {"resnet34": [RESNET], "cnn": [CNN], "demo": [RESNET, CNN]}  # an entry each; the last is the blend in use
SCORES = ["public", "private", "known_songs", "new_songs"]


def main() -> None:
    """Make the data, run the commands, score and print."""
    options = _options()
    begun_s = time.monotonic()
    from messy_mashup.data.demo_music.baseline import logistic_regression_score
    from messy_mashup.data.demo_music.competition import write_competition
    from messy_mashup.notebooks.commands import run

    data, runs = options.data.resolve(), options.runs.resolve()
    print(f"A competition made here: {data}", flush=True)
    write_competition(data, songs=options.songs, seconds=options.seconds)
    made_s = time.monotonic() - begun_s
    run("build.py", "--data", data, "--bank", paths.bank_folder(data, runs))
    for recipe in (RESNET, CNN):
        run("train.py", recipe, "--folds", "0,1,all", "--data", data, "--runs", runs)
    entries = runs / "submissions"
    for name, recipes in BLENDS.items():
        run("blend.py", *recipes, "--name", name, "--runs", runs)
        run("infer.py", "--data", data, "--runs", runs, "--submissions", entries, "--note", "make demo")
    trained_s = time.monotonic() - begun_s - made_s
    print("\nLogistic regression on clip-mean log-mels, for comparison", flush=True)
    baseline = logistic_regression_score(data)
    figures = _figures(runs, entries, data / "hidden") | {
        "logistic_regression_oof": baseline.held_out,
        "logistic_regression_public": baseline.public,
        "logistic_regression_private": baseline.private,
        "make_s": made_s,
        "build_train_blend_infer_s": trained_s,
        "total_s": time.monotonic() - begun_s,
    }
    _draw(data, runs)
    _tell(figures)
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def _figures(runs: Path, entries: Path, hidden: Path) -> dict[str, float]:
    """Score the entries as a leaderboard would, draw them, and give the newest one's scores."""
    from messy_mashup.competition import ledger, score_pictures
    from messy_mashup.competition.entry import LEDGER
    from messy_mashup.competition.leaderboard import score_ledger
    from messy_mashup.scoring.ensemble import load_blend

    print("\nThe demo's own leaderboard", flush=True)
    board = score_ledger(entries / LEDGER, hidden)
    print(board.text)
    for sentence in [*board.unscored, *score_pictures.draw_all(ledger.read(entries / LEDGER), entries)]:
        print(sentence)
    newest = board.table.iloc[-1]
    if newest.isna()[SCORES].any():
        raise UserError(f"{newest['file']} could not be scored; remove {entries} and run the demo again")
    return {"oof_macro_f1": load_blend(runs).oof_macro_f1, **{name: float(newest[name]) for name in SCORES}}


def _draw(data: Path, runs: Path) -> None:
    """A picture of one training song and of test mashups, to look at what was made."""
    from messy_mashup.features.frame_spec import librosa_log_mel
    from messy_mashup.scoring.plots import spectrogram_picture
    from messy_mashup.scoring.predict import file_log_mel

    spec = librosa_log_mel(mels=96, hop=160, fft=1024)
    stems = sorted((data / "genres_stems" / "disco" / "disco.00000").glob("*.wav"))
    files = [*stems, *sorted((data / "mashups").glob("*.wav"))[:2]]
    panels = []
    for file in files:
        try:
            panels.append((f"{file.parent.name}/{file.stem}", file_log_mel(file, spec).numpy()))
        except UserError:
            print(f"{file} is silent in this song and has no picture")
    spectrogram_picture(panels, runs / "demo_spectrograms.png", spec.hop / spec.sample_rate_hz)


def _tell(figures: dict[str, float]) -> None:
    print(f"\n{'macro F1':<24}{'held-out songs':>16}{'public':>10}{'private':>10}")
    for name, keys in {
        "logistic regression": ("logistic_regression_oof", "logistic_regression_public", "logistic_regression_private"),
        "ResNet34 and CNN": ("oof_macro_f1", "public", "private"),
    }.items():
        held_out, public, private = (figures[key] for key in keys)
        print(f"{name:<24}{held_out:>16.3f}{public:>10.3f}{private:>10.3f}")
    print(f"of the test mashups: known songs {figures['known_songs']:.3f}, new songs {figures['new_songs']:.3f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--songs", type=int, default=10, help="a genre (the competition has 100)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a song (the competition has 30)")
    parser.add_argument("--data", type=Path, default=paths.inputs() / "demo", help="default: input/demo")
    parser.add_argument("--runs", type=Path, default=paths.runs() / "demo", help="default: runs/demo")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
