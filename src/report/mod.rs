//! A run as a page: a sink that keeps what the page shows, a chart for the terminal, and
//! `report.html`, which fetches nothing. Written from rows alone, so a second run writes the same bytes.

mod chart;
mod collect;
mod page;
#[cfg(test)]
mod tests;

pub use collect::Collector;
