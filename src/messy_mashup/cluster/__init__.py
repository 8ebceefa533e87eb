"""A fleet on a cluster: nothing outside this room imports Ray."""
