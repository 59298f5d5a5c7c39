//! What judging brought, and how far it went in a batch.

use crate::Decoded;
use market::{DeadLetter, Offset, Run};

/// How far a batch was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The next row.
    pub(super) row: usize,
    /// Rows that it was decoded with; those behind had waited and were appended.
    pub(super) rows: usize,
}

impl Place {
    /// The first record of a batch behind the one at `after`, which and those before were judged already:
    /// those that are no rows are taken out.
    pub fn behind(after: Option<Offset>, batch: &mut Decoded) -> Self {
        let rows = batch.trades.len();
        let Some(after) = after else { return Place { row: 0, rows } };
        batch.undecoded.retain(|record| record.offset > after);
        batch.heartbeats.retain(|beat| beat.offset > after);
        Place { row: batch.trades.offset.partition_point(|offset| *offset <= after), rows }
    }
}

/// What judging brought: runs of admitted rows in log order, letters in the order of decision, and where
/// to go on where it stopped within the batch.
#[derive(Debug, Default)]
pub struct Judged {
    /// What was admitted.
    pub runs: Vec<Run>,
    /// What was refused.
    pub letters: Vec<DeadLetter>,
    /// What is left to be judged.
    pub rest: Option<Place>,
}
