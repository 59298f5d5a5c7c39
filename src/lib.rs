//! Tidemill, a market-data dataflow engine: ticks in, bars and indicators out, revised exactly when a
//! trade comes late.
//!
//! [`Engine`] runs a [`config::Config`] with one's own kernels, sources and sinks; the `tidemill`
//! command is a thin layer over it. The way of the data: `sources` → `operators` (on `dataflows`) →
//! `sinks`, with the nouns of `market` in between.

#[doc(hidden)]
pub mod cli;
pub mod config;
mod depot;
mod engine;
mod ingest;
mod observe;
mod report;

pub use dataflows::{Progress, TableCount, Watch};
pub use engine::{Engine, EngineError, Summary};
#[doc(hidden)]
pub use observe::documentation as metrics_documentation;

pub use ingest::{Attended, Ingest, IngestError, Ingested};

/// The README's Rust is compiled and run with the documentation's tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
