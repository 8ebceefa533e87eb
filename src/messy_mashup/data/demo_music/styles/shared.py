"""What several genres have in common, so that no single instrument or phrase gives a genre away."""

GUITARS = ("clean guitar", "crunch guitar", "steel guitar")
BASSES = ("finger bass", "pick bass", "upright bass")
SUNG = ("x.x.x.x.x...x...", "x..xx.x.x.......", "..x.x.x.x..x....", "x...x.x.x...x...", "x.xxx.x.....x.x.")
