//! A market-data dataflow engine.
