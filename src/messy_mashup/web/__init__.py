"""The page: audio is heard, its genre shown over time, and mashups are made by hand."""
