//! Nanoseconds of CPU a trade takes to decode, from CSV and from Parquet, on one decoder thread.

fn main() {}
