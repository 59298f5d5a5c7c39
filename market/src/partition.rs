//! The seam between sources and the graph: one partition, read in log order, already admitted.

use crate::{
    Counts, DeadLetter, Epoch, Offset, Price, SharedTrades, Size, SymbolId, Time, Updates,
};
use std::ops::Range;
use std::sync::Arc;

/// Admitted trades of one epoch that follow one another in a batch: `rows` index [`Admitted::trades`].
/// A run without rows only moves the watermark (a heartbeat).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The partition's epoch at these records' positions. Never falls along a log.
    pub epoch: Epoch,
    /// Rows of the batch.
    pub rows: Range<u32>,
}

/// Where trades were taken back or edited: the bar that holds this time is folded again, from what
/// [`Partition::ticks`] tells once all runs beside it are folded. It belongs to the epoch of the last run so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Whose bar.
    pub symbol: SymbolId,
    /// A time within it.
    pub ts: Time,
}

/// A trade of the horizon, as the fold takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Event time.
    pub ts: Time,
    /// Position within the partition.
    pub at: Offset,
    /// Price.
    pub price: Price,
    /// Size.
    pub size: Size,
    /// What of a bar it counts for.
    pub updates: Updates,
}

/// Is told ticks, one after the other.
pub type EachTick<'a> = dyn FnMut(Tick) + 'a;

/// One decoded batch with what admission made of it. Rows that no run names were refused.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    /// The columns as they were decoded.
    pub trades: SharedTrades,
    /// What was admitted, in log order.
    pub runs: Vec<Run>,
    /// What was refused, in log order.
    pub letters: Vec<DeadLetter>,
    /// Bars that are to be folded again behind the last run.
    pub touched: Vec<Touched>,
}

/// What a poll found.
#[derive(Debug)]
pub enum Polled {
    /// The next batch in log order.
    Batch(Box<Admitted>),
    /// Nothing decoded yet; the waker will be called when there is.
    Pending,
    /// The log has ended: a heartbeat at the end of time.
    End,
}

/// Appends the rest of a block, on whatever thread writes it.
pub type Later = Box<dyn FnOnce(&mut Vec<u8>) + Send>;

/// What a cut of a partition left in its block.
#[derive(Default)]
pub struct Sealed {
    /// What is still to be appended to it; nothing where nothing is in it.
    pub later: Option<Later>,
    /// How many of the last blocks are needed from now on, this one among them.
    pub needed: usize,
}

/// A source that cannot be read on: the run fails with this message.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct PartitionError {
    /// What was read and what went wrong, naming file and place.
    pub what: String,
    /// Whether the caller asked for something that cannot be (exit code 2), rather than a failure
    /// while running (exit code 1).
    pub usage: bool,
}

/// Wakes the worker that polls a partition.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// One partition of the input log. Everything it hands out is a function of its log alone: how often
/// it is polled, and how it is cut into batches, changes nothing that the graph computes.
pub trait Partition: Send {
    /// The next batch, without blocking. Called from one thread.
    ///
    /// # Errors
    /// Fails when the source can't be read on.
    fn poll(&mut self) -> Result<Polled, PartitionError>;

    /// Appends all that the next batch depends on: taken between two polls, it goes on from there in any
    /// process. False where a partition cannot say it: a run with checkpoints refuses such a one.
    fn snapshot(&self, _to: &mut Vec<u8>) -> bool {
        false
    }

    /// The same for a checkpoint: what never changes any more may go to `block`, once. It goes on from what was
    /// appended to `state`, and behind that to the blocks that are needed, in order.
    fn cut(&mut self, state: &mut Vec<u8>, _block: &mut Vec<u8>) -> Option<Sealed> {
        self.snapshot(state).then(Sealed::default)
    }

    /// The trades of a symbol that were admitted so far, from `from` up to but not at `to`, by rising `(time, position)`,
    /// each as corrections left it. Asked only for bars that a correction touched, which the horizon holds all of.
    fn ticks(&mut self, _symbol: SymbolId, _from: Time, _to: Time, _each: &mut EachTick<'_>) {}

    /// The pool of partitions that it belongs to, by its number, where its symbols are spread over them: what belongs
    /// to a symbol is then not judged here, and its trades are used where that is ([`crate::Judge`]).
    fn pool(&self) -> Option<u32> {
        None
    }

    /// The number of the partition that this one is read behind, if it is.
    fn behind(&self) -> Option<u32> {
        None
    }

    /// Takes what the log has left that this one is read behind: its partition's snapshot, after its end. Comes
    /// before anything is read here; until then nothing can be.
    ///
    /// # Errors
    /// Fails where that cannot be understood, or the log cannot be opened.
    fn follow(&mut self, _before: &[u8]) -> Result<(), PartitionError> {
        Ok(())
    }

    /// All partitions that are read behind this one, which has ended, have passed this watermark: what it keeps
    /// for them alone and they cannot ask for any more may go.
    fn pass(&mut self, _watermark: Time) {}

    /// Of the last record that was handed out or refused; for display, and for consumers of the log who ask
    /// how far it was read.
    fn position(&self) -> Option<Offset> {
        None
    }

    /// Its watermark, once a record has made one; for display.
    fn watermark(&self) -> Option<Time> {
        None
    }

    /// The offset of the next message, where the log is a topic's partition; for display.
    fn next_offset(&self) -> Option<u64> {
        None
    }

    /// What its log is called; for display.
    fn name(&self) -> String {
        String::new()
    }

    /// Whether everything that the log held at some moment of this run was handed out.
    fn is_at_end(&self) -> bool {
        false
    }

    /// Takes a batch back whose columns were folded, so that its buffers are used again.
    fn recycle(&mut self, batch: Box<Admitted>);

    /// Registers who is to be woken when a poll that was pending has something.
    fn wake_by(&mut self, waker: Waker);

    /// What was read, used and refused so far (`late` is the graph's to count).
    fn counts(&self) -> Counts;

    /// How far the log is read, 0 to 1, where its length is known: for progress only.
    fn progress(&self) -> Option<f64>;
}
