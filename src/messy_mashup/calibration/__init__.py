"""The mashups of a recipe held against the unlabelled ones of a test set: described, told apart, and fitted."""
