"""A synthesiser of ten genres: whole competitions made here, for the demo, the tests and the benchmarks."""
