"""What random numbers are drawn for: a word of every seed, in one list, so that no two draws share their numbers."""

TRAINING, VALIDATION, AUGMENTATION, PICTURES, INITIAL_WEIGHTS, STEP, EXTRAS, PROBES = range(8)
TESTING, ORDER, COPIES, CHANGES, HEARD = range(8, 13)
