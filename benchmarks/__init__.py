"""Scripts that train, probe and measure models for the benchmarks; none of them is shipped."""
