"""What is on disk: corpora, audio files, the bank of decoded clips, folds, and the demo's own music."""
