//! `tidemill simulate`: a seeded session to a file.

use super::Failure;
use super::args::SimulateArgs;

/// Writes it.
pub(super) fn simulate(args: &SimulateArgs) -> Result<u8, Failure> {
    let _ = args;
    Err(Failure::usage("not wired"))
}
