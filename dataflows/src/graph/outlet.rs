//! Where rows leave the graph: ordered and handed to the sinks by a thread of worker 0's process.
//!
//! The operator only passes parcels and frontiers on; the thread keeps them until their epochs are
//! complete, orders an epoch's rows by symbol text, width and start, and calls the sinks. A channel of
//! [`PARCELS_MAX`] messages lies between: a slow sink backs the graph up.

use super::run::RunError;
use super::watch::{Event, Progress, TableCount};
use crate::checkpoint::Owed;
use crate::wire::{Parcel, RowParcel, Shared};
use market::{
    Body, Change, Counts, DeadLetter, Epoch, EpochLength, RowKey, Rows, Sink, Symbols, TableSpec,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Messages between the graph and the thread: few, for a message may hold the rows of every symbol, and
/// a sink that is slower than the graph lets them all wait.
const PARCELS_MAX: usize = 16;
/// Rows that a sink is handed at a time.
const ROWS_MAX: usize = 65_536;

/// How long nothing comes before sinks make durable what they gathered.
const IDLE: Duration = Duration::from_millis(5);

/// What the graph tells the thread.
pub(crate) enum Leaving {
    /// Something that waits for its epochs.
    Parcel(Shared),
    /// Everything before this epoch was passed on.
    Before(Epoch),
    /// Everything was passed on.
    End,
}

/// What the thread found when it ended.
#[derive(Default)]
pub(crate) struct Left {
    pub counts: Counts,
    pub tables: Vec<TableCount>,
    pub spread_symbols: u64,
    pub complete: bool,
}

/// How rows are made from parcels.
pub(crate) struct OutletPlan {
    pub tables: Vec<Arc<TableSpec>>,
    pub epoch: EpochLength,
    pub lateness_ns: i64,
    pub symbols: Symbols,
    /// What checkpoints wait for; then sinks are also made durable whenever the graph has nothing for them.
    pub owed: Option<Arc<Owed>>,
    /// Told how far it is.
    pub progress: Arc<Progress>,
}

struct Outlet {
    plan: OutletPlan,
    sinks: Vec<Box<dyn Sink>>,
    waiting: Vec<(Shared, usize)>,
    letters: Vec<DeadLetter>,
    left: Left,
    ranks: Ranks,
    /// What goes to the sinks now, by table.
    orders: Vec<Order>,
    /// The sinks that take a table, by table.
    takers: Vec<Vec<usize>>,
    /// Everything before this was written and flushed, and whether it was made durable since.
    flushed: Epoch,
    synced: bool,
}

/// Starts the thread. It ends when it was told the end or when every sender is gone.
pub(crate) fn start(
    plan: OutletPlan,
    sinks: Vec<Box<dyn Sink>>,
) -> (SyncSender<Leaving>, JoinHandle<Result<Left, RunError>>) {
    let (sender, receiver) = sync_channel(PARCELS_MAX);
    let thread = std::thread::Builder::new().name("sinks".to_owned());
    let work = move || Outlet::new(plan, sinks).run(&receiver);
    (sender, thread.spawn(work).expect("the system starts a thread"))
}

impl Outlet {
    fn new(plan: OutletPlan, sinks: Vec<Box<dyn Sink>>) -> Self {
        let count = |table: &Arc<TableSpec>| TableCount {
            name: table.name.clone(),
            added: 0,
            removed: 0,
            revised: 0,
        };
        let tables = plan.tables.iter().map(count).collect();
        let left = Left { tables, ..Left::default() };
        let orders = plan.tables.iter().map(|_| Order::default()).collect();
        let takers = |table: &Arc<TableSpec>| {
            (0..sinks.len()).filter(|sink| sinks[*sink].takes(table)).collect()
        };
        let takers = plan.tables.iter().map(takers).collect();
        let (waiting, letters, ranks) = (Vec::new(), Vec::new(), Ranks::default());
        let (flushed, synced) = (Epoch::MIN, true);
        Outlet { plan, sinks, waiting, letters, left, ranks, orders, takers, flushed, synced }
    }

    fn run(mut self, receiver: &Receiver<Leaving>) -> Result<Left, RunError> {
        while let Some(leaving) = self.next(receiver)? {
            match leaving {
                Leaving::Parcel(parcel) => self.receive(parcel),
                Leaving::Before(epoch) => self.pass_on(epoch)?,
                Leaving::End => {
                    self.pass_on(Epoch::MAX)?;
                    self.sinks.iter_mut().try_for_each(|sink| sink.finish())?;
                    self.left.complete = true;
                    break;
                }
            }
        }
        Ok(self.left)
    }

    /// What comes next; none when the graph is gone. Sinks that gather what they are given make it durable
    /// when nothing comes for a while.
    fn next(&mut self, receiver: &Receiver<Leaving>) -> Result<Option<Leaving>, RunError> {
        if self.plan.owed.is_some() && !self.synced {
            match receiver.recv_timeout(IDLE) {
                Err(RecvTimeoutError::Timeout) => self.sync()?,
                received => return Ok(received.ok()),
            }
        }
        Ok(receiver.recv().ok())
    }

    fn sync(&mut self) -> Result<(), RunError> {
        self.sinks.iter_mut().try_for_each(|sink| sink.sync())?;
        self.synced = true;
        self.plan.progress.tell(Event::Durable(self.flushed));
        Ok(())
    }

    fn receive(&mut self, parcel: Shared) {
        let parcel = parcel.adopt(&self.plan.symbols);
        match &*parcel.0 {
            Parcel::Empty => {}
            Parcel::Rows(_) => self.waiting.push((parcel, 0)),
            Parcel::Letters(letters) => self.letters.extend_from_slice(letters),
            Parcel::Counts(counts) => self.left.counts.add(counts),
            Parcel::Spread(symbols) => self.left.spread_symbols += symbols,
        }
    }

    /// Hands everything from before `epoch` to the sinks.
    fn pass_on(&mut self, epoch: Epoch) -> Result<(), RunError> {
        // Once for all: symbols that come meanwhile would move the ranks of some rows and not of others.
        self.ranks.renew(&self.plan.symbols);
        for (number, (parcel, at)) in self.waiting.iter_mut().enumerate() {
            let to = before(parcel, *at, epoch);
            let Some(rows) = parcel.rows() else { continue };
            let keys = &rows.keys[*at..to];
            let table = rows.table as usize;
            count(&mut self.left.tables[table], keys);
            if !self.takers[table].is_empty() {
                let order = &mut self.orders[table];
                order.extend(keys, &self.ranks, number as u32, *at as u32);
            }
            *at = to;
        }
        for table in 0..self.plan.tables.len() {
            self.write_rows(table)?;
        }
        self.waiting.retain(|(parcel, at)| parcel.rows().is_some_and(|rows| *at < rows.keys.len()));
        self.write_letters(epoch)?;
        self.sinks.iter_mut().try_for_each(|sink| sink.flush(epoch))?;
        (self.flushed, self.synced) = (epoch, false);
        self.plan.progress.count_tables(&self.left.tables);
        self.plan.progress.tell(Event::Written(epoch));
        if let Some(owed) = self.plan.owed.clone().filter(|owed| owed.is_due(epoch)) {
            self.sync()?;
            owed.pay(self.flushed);
        }
        Ok(())
    }

    fn write_rows(&mut self, table: usize) -> Result<(), RunError> {
        let mut order = std::mem::take(&mut self.orders[table]);
        let waiting = &self.waiting;
        let key = |(parcel, row): (u32, u32)| {
            let rows = waiting[parcel as usize].0.rows();
            rows.map(|rows| &rows.keys[row as usize])
        };
        order.sort(|place| {
            key(place).map(|key| (key.width.seconds(), key.width, key.ts_open, key.seq))
        });
        for chunk in order.sorted.chunks(ROWS_MAX) {
            let rows = self.gather(table, chunk.iter().map(|place| order.place(*place)));
            self.takers[table].iter().try_for_each(|&sink| self.sinks[sink].write(&rows))?;
        }
        order.clear();
        self.orders[table] = order;
        Ok(())
    }

    fn gather(&self, table: usize, places: impl ExactSizeIterator<Item = (u32, u32)>) -> Rows {
        let table = self.plan.tables[table].clone();
        let stride = table.columns.len();
        let mut keys = Vec::with_capacity(places.len());
        let (mut bars, mut values) = (Vec::new(), Vec::new());
        for (parcel, row) in places {
            let (left, row) = (keys.capacity() - keys.len(), row as usize);
            let Some(parcel) = self.waiting[parcel as usize].0.rows() else { continue };
            match &parcel.body {
                Body::Bars(all) => {
                    bars.reserve(left);
                    bars.push(all[row]);
                }
                Body::Floats { stride, values: all } => {
                    values.reserve(left * stride);
                    values.extend_from_slice(&all[row * stride..][..*stride]);
                }
            }
            keys.push(parcel.keys[row]);
        }
        let known = |key: &RowKey| self.plan.epoch.known_at(key.epoch, self.plan.lateness_ns);
        let known_at = keys.iter().map(known).collect();
        let body = if bars.is_empty() { Body::Floats { stride, values } } else { Body::Bars(bars) };
        Rows { table, keys, known_at, body, symbols: self.plan.symbols.clone() }
    }

    fn write_letters(&mut self, epoch: Epoch) -> Result<(), RunError> {
        let (mut now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.letters).into_iter().partition(|letter| letter.epoch < epoch);
        self.letters = later;
        if now.is_empty() {
            return Ok(());
        }
        now.sort_by_key(|letter| (letter.epoch, letter.partition, letter.offset));
        self.sinks.iter_mut().try_for_each(|sink| sink.write_letters(&now))?;
        Ok(())
    }
}

/// Counts rows that a table is given.
fn count(count: &mut TableCount, keys: &[RowKey]) {
    for key in keys {
        match key.change {
            Change::Added => count.added += 1,
            Change::Revised => {}
            Change::Removed => count.removed += 1,
        }
        count.revised += u64::from(key.revision > 0);
    }
}

/// The first row of `parcel` from row `at` on whose epoch is not before `epoch`.
fn before(parcel: &Shared, at: usize, epoch: Epoch) -> usize {
    let keys = parcel.rows().map_or(&[][..], |rows: &RowParcel| &rows.keys);
    at + keys[at.min(keys.len())..].partition_point(|key| key.epoch < epoch)
}

/// The order of a table's rows: by epoch, symbol text, width, start and number.
///
/// A row is one integer, epoch, rank and place from the top bits down, so that most of the order is a
/// sort of integers; only the few rows that share epoch and symbol are compared by what else they have.
#[derive(Default)]
struct Order {
    /// Parcel and row.
    places: Vec<(u32, u32)>,
    sorted: Vec<u128>,
}

impl Order {
    /// Adds rows of parcel number `parcel` from its row `first` on.
    fn extend(&mut self, keys: &[RowKey], ranks: &Ranks, parcel: u32, first: u32) {
        for (row, key) in (first..).zip(keys) {
            let epoch = key.epoch.cast_unsigned() ^ (1 << 63);
            let rank = ranks.ranks[key.symbol.index()];
            let place = self.places.len() as u128;
            self.sorted.push(u128::from(epoch) << 64 | u128::from(rank) << 32 | place);
            self.places.push((parcel, row));
        }
    }

    /// Where a row is.
    fn place(&self, row: u128) -> (u32, u32) {
        self.places[row as u32 as usize]
    }

    /// Sorts them; `rest` is what rows of one epoch and symbol are ordered by.
    fn sort<K: Ord>(&mut self, rest: impl Fn((u32, u32)) -> K) {
        self.sorted.sort_unstable();
        let places = &self.places;
        for alike in
            self.sorted.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|rows| rows.len() > 1)
        {
            alike.sort_by_key(|row| rest(places[*row as u32 as usize]));
        }
    }

    fn clear(&mut self) {
        self.places.clear();
        self.sorted.clear();
    }
}

/// Places of symbols in the order of their texts.
#[derive(Default)]
struct Ranks {
    ranks: Vec<u32>,
}

impl Ranks {
    /// Ranks every symbol there is.
    fn renew(&mut self, symbols: &Symbols) {
        if symbols.len() <= self.ranks.len() {
            return;
        }
        let texts: BTreeMap<_, usize> = symbols.texts_from(0).into_iter().zip(0..).collect();
        self.ranks = vec![0; texts.len()];
        for (rank, id) in texts.into_values().enumerate() {
            self.ranks[id] = rank as u32;
        }
    }
}

#[cfg(test)]
#[path = "outlet_tests.rs"]
mod tests;
