//! The seam between the graph and sinks.

use crate::{DeadLetter, Epoch, Rows, TableSpec};

/// A sink that cannot go on: the run fails with this message.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct SinkError {
    /// Which sink, what it was doing, and what went wrong.
    pub what: String,
}

/// Where rows go; what a sink has no use for, it need not take. Called from one thread, epoch after epoch
/// in order; what is handed over depends on the input log alone.
pub trait Sink: Send {
    /// Its name in messages and counts, as `sqlite`.
    fn name(&self) -> &str;

    /// Whether it wants the rows of `table`; asked once, before the first.
    fn takes(&self, _table: &TableSpec) -> bool {
        true
    }

    /// Rows of complete epochs of a table that it takes: ordered by epoch, within it by symbol text, width,
    /// start and seq.
    ///
    /// # Errors
    /// Fails when the store refuses or is away.
    fn write(&mut self, rows: &Rows) -> Result<(), SinkError>;

    /// Refused records, ordered by epoch, partition and offset.
    ///
    /// # Errors
    /// Fails when the store refuses or is away.
    fn write_letters(&mut self, _letters: &[DeadLetter]) -> Result<(), SinkError> {
        Ok(())
    }

    /// Everything before epoch `before` has been written: make it durable together with that mark.
    ///
    /// # Errors
    /// Fails when the store refuses or is away.
    fn flush(&mut self, _before: Epoch) -> Result<(), SinkError> {
        Ok(())
    }

    /// Makes everything that was flushed durable at once, if a sink gathers flushes: a checkpoint waits for it,
    /// and a run that goes on from there writes none of it again. Comes after a flush, with nothing written between.
    ///
    /// # Errors
    /// Fails when the store refuses or is away.
    fn sync(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// The input has ended and all was flushed (`before` = [`Epoch::MAX`]): close, fold, index.
    /// Not called when the run was stopped early.
    ///
    /// # Errors
    /// Fails when the store refuses or is away.
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
