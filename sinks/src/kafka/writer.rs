//! The thread that owns the transactions: it sends what comes and commits when nothing more waits.
//!
//! A commit takes tens of milliseconds. What comes meanwhile waits and goes out together in the next, so
//! that a transaction holds one epoch where there is time and many where there is none.

use super::marks::{self, Owner};
use kafka::{Batch, KafkaError, Record, Transactions};
use market::Epoch;
use std::sync::mpsc::{Receiver, SyncSender};

/// Bytes after which a transaction is committed with the epoch, whatever waits.
const TRANSACTION_BYTES: usize = 32 << 20;

/// Bytes of records of an epoch that is not complete yet. When there are more, what waits to be committed
/// is, and the transaction goes on with them.
const EARLY_BYTES_MAX: usize = 64 << 20;

/// What the sink tells the thread.
pub(super) enum Order {
    /// Records of epochs that are not all told yet.
    Records(Batch),
    /// All of everything before this epoch was told.
    Before(Epoch),
    /// Commit that, and say when it is done.
    Sync(SyncSender<()>),
}

pub(super) struct Writer {
    transactions: Transactions,
    owner: Owner,
    generation: u64,
    /// Records of epochs that are not all told yet.
    early: Vec<Batch>,
    early_bytes: usize,
    /// All of everything before it was told and is in the transaction.
    before: Option<Epoch>,
    /// Whether records of later epochs are in the transaction too; then nothing before them is.
    is_ahead: bool,
}

impl Writer {
    pub(super) fn new(transactions: Transactions, owner: Owner, generation: u64) -> Self {
        let (early, early_bytes, before, is_ahead) = (Vec::new(), 0, None, false);
        Writer { transactions, owner, generation, early, early_bytes, before, is_ahead }
    }

    /// Ends with the last of the orders; what was complete is committed, the rest is not.
    pub(super) fn run(mut self, orders: &Receiver<Order>) -> Result<(), KafkaError> {
        while let Ok(order) = orders.recv() {
            let mut next = Some(order);
            while let Some(order) = next.take() {
                self.take(order)?;
                next = orders.try_recv().ok();
            }
            self.commit()?;
        }
        match self.is_ahead {
            true => self.transactions.abort(),
            false => self.commit(),
        }
    }

    fn take(&mut self, order: Order) -> Result<(), KafkaError> {
        match order {
            Order::Records(batch) => {
                self.early_bytes += batch.bytes();
                self.early.push(batch);
                if self.early_bytes > EARLY_BYTES_MAX {
                    self.commit()?;
                    self.send_early()?;
                    self.is_ahead = true;
                }
                Ok(())
            }
            Order::Before(epoch) => {
                self.send_early()?;
                (self.before, self.is_ahead) = (Some(epoch), false);
                match self.transactions.bytes() > TRANSACTION_BYTES {
                    true => self.commit(),
                    false => Ok(()),
                }
            }
            Order::Sync(done) => {
                self.commit()?;
                // Who asked may have gone.
                let _ = done.send(());
                Ok(())
            }
        }
    }

    fn send_early(&mut self) -> Result<(), KafkaError> {
        self.early_bytes = 0;
        self.early.drain(..).try_for_each(|batch| self.transactions.send(batch))
    }

    /// Commits whole epochs with their mark. Without records there is nothing that a mark would have to
    /// keep from being written again.
    fn commit(&mut self) -> Result<(), KafkaError> {
        let Some(before) = self.before.filter(|_| !self.is_ahead && self.transactions.bytes() > 0)
        else {
            return Ok(());
        };
        let (key, value) = (self.owner.key(), marks::value(before, self.generation));
        let mut batch = Batch::default();
        batch.push(&Record {
            topic: marks::TOPIC,
            partition: Some(0),
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: None,
            timestamp_ms: None,
        });
        self.transactions.send(batch)?;
        self.transactions.commit()?;
        self.before = None;
        Ok(())
    }
}
