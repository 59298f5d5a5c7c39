//! The tick path of one partition: what needs every tick, beside the partition that is read.
//!
//! ```text
//!  batch -> runs (rows of one epoch) -> Fold a base width -> partials, each with the epoch it changed in
//! ```
//!
//! A bar that ends where epoch e begins holds exactly the trades stamped before e, and its partial
//! carries epoch e-1, wherever a batch is cut. A trade whose bar had closed is late: it changes its
//! partial in the epoch of its own stamp, once an epoch however many there are. All state is a function
//! of the log's prefix. About 3 ns a trade and base width.

mod course;
mod fold;
mod forming;
mod horizons;

pub use course::Course;
pub use horizons::Horizons;

use crate::live::LiveView;
use fold::Fold;
use forming::Forming;
use market::{
    Admitted, EachTick, Epoch, EpochLength, Run, SymbolId, Tick, Time, Touched, Trade, Updates,
    Width,
};
use operators::bar::Partial;
use operators::{Restore, Snapshot};
use std::sync::Arc;

/// The state of a partition's partial bar after an epoch. Replaces what the partition said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialRow {
    /// The epoch of the change.
    pub epoch: Epoch,
    /// Symbol.
    pub symbol: SymbolId,
    /// Number of the partition.
    pub partition: u32,
    /// Which base width, by its place among them.
    pub base: u32,
    /// All that the partition holds of the bar.
    pub partial: Partial,
}

/// The log's head, as a partition passed it: from epoch `at` on, every bar that ends by `until` of this
/// base width is known to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The epoch that the partition left.
    pub at: Epoch,
    /// Which base width.
    pub base: u32,
    /// The end of the last bar that is over.
    pub until: Time,
}

/// What a partition's tick path has to say, by rising epoch.
#[derive(Clone, Debug, Default)]
pub struct TickOutput {
    /// Changed partials.
    pub rows: Vec<PartialRow>,
    /// Where the log's head went; left empty unless carried bars need it.
    pub reaches: Vec<Reach>,
}

/// How ticks become partial bars.
#[derive(Clone, Debug)]
pub struct TickPlan {
    /// Length of an epoch; divides every base width.
    pub epoch: EpochLength,
    /// How far back of its watermark each partition can still change a bar.
    pub horizons: Horizons,
    /// The widths that are folded from ticks, narrowest first.
    pub bases: Vec<Width>,
    /// Whether [`Reach`]es are wanted.
    pub reaches: bool,
    /// Whether trades of some partitions are folded elsewhere.
    pub is_pooled: bool,
}

/// The tick path's state for one partition.
pub struct TickPath {
    plan: TickPlan,
    partition: u32,
    epoch: Epoch,
    folds: Vec<Fold>,
    late: u64,
    /// What the live view is told, where there is one.
    forming: Option<Forming>,
    /// Of a partition whose trades are folded elsewhere: the greatest time that passed.
    passed: Option<Time>,
}

/// Tells the trades of a symbol in a span of time, by rising time and position, each as corrections left it.
pub(crate) type TellTicks<'a> = dyn FnMut(SymbolId, Time, Time, &mut EachTick<'_>) + 'a;

impl TickPath {
    /// The path of partition number `partition`, before its first record.
    pub fn new(plan: TickPlan, partition: u32) -> Self {
        let folds = plan.bases.iter().map(|&width| Fold::new(width)).collect();
        TickPath { plan, partition, epoch: Epoch::MIN, folds, late: 0, forming: None, passed: None }
    }

    /// Tells a live view of what it folds, whenever [`TickPath::tell`] is called.
    pub(crate) fn show(&mut self, view: &Arc<LiveView>) {
        self.forming = Some(Forming::new(view, self.partition, &self.plan.bases));
    }

    /// Tells the live view, where there is one, of what was folded since.
    pub(crate) fn tell(&mut self) {
        self.forming.iter_mut().for_each(Forming::tell);
    }

    /// That of a partition whose trades are folded elsewhere: it knows how far the log is.
    pub(crate) fn passing(plan: TickPlan, partition: u32) -> Self {
        TickPath { passed: Some(Time::from_ns(i64::MIN)), ..TickPath::new(plan, partition) }
    }

    /// Notes that trades up to this time passed.
    pub(crate) fn pass(&mut self, time: Time) {
        self.passed = self.passed.max(Some(time));
    }

    /// The epoch of the last record, [`Epoch::MIN`] before the first: the least one that can change.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Where that epoch begins.
    pub fn start(&self) -> Time {
        self.plan.epoch.start(self.epoch)
    }

    /// Trades so far whose bar (of the narrowest base width) had closed.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Folds an admitted batch.
    pub fn fold(&mut self, batch: &Admitted, out: &mut TickOutput) {
        for run in &batch.runs {
            self.enter(run.epoch, out);
            self.fold_run(batch, run);
        }
    }

    /// Folds one run of a batch, whose epoch has been entered.
    pub fn fold_run(&mut self, batch: &Admitted, run: &Run) {
        if !batch.trades.updates.is_empty() {
            return self.fold_some(batch, run);
        }
        let rows = run.rows.start as usize..run.rows.end as usize;
        let trades = &batch.trades;
        let columns = trades.ts_event[rows.clone()]
            .iter()
            .zip(&trades.symbol[rows.clone()])
            .zip(trades.price[rows.clone()].iter().zip(&trades.size[rows.clone()]))
            .zip(&trades.offset[rows]);
        for (base, fold) in self.folds.iter_mut().enumerate() {
            let mut late = 0;
            for (((&ts, &symbol), (&price, &size)), &at) in columns.clone() {
                let tick = Tick { ts, at, price, size, updates: Updates::ALL };
                late += u64::from(fold.add::<true>(symbol, tick));
            }
            if base == 0 {
                self.late += late;
            }
        }
        if let Some(forming) = &mut self.forming {
            forming.fold(batch, run);
        }
    }

    /// The same where some trades do not count for everything.
    fn fold_some(&mut self, batch: &Admitted, run: &Run) {
        for row in run.rows.start as usize..run.rows.end as usize {
            let trade = batch.trades.row(row);
            let Trade { ts_event: ts, offset: at, price, size, updates, .. } = trade;
            self.fold_one(trade.symbol, Tick { ts, at, price, size, updates });
        }
        if let Some(forming) = &mut self.forming {
            forming.fold(batch, run);
        }
    }

    /// Folds bars again that corrections touched, from what `tell` tells: all trades of them up to here.
    pub(crate) fn fold_again(&mut self, touched: &[Touched], tell: &mut TellTicks<'_>) {
        for (base, fold) in self.folds.iter_mut().enumerate() {
            let bar = |touched: &Touched| (touched.symbol, fold.start_of(touched.ts));
            let mut bars: Vec<(SymbolId, Time)> = touched.iter().map(bar).collect();
            bars.sort_unstable();
            bars.dedup();
            for (symbol, start) in bars {
                let (mut partial, mut last) = (Partial::new(start), None);
                tell(symbol, start, fold.end_of(start), &mut |tick| {
                    partial.add_tick(&tick);
                    last = if tick.updates.has(Updates::LAST) { Some(tick) } else { last };
                });
                fold.replace(symbol, partial);
                if let Some(forming) = &mut self.forming {
                    forming.fold_again(base, symbol, fold, (&partial, last));
                }
            }
        }
    }

    /// Folds one trade of the present epoch; whether its bar (of the narrowest base width) had closed.
    #[inline]
    pub(crate) fn fold_one(&mut self, symbol: SymbolId, tick: Tick) -> bool {
        let late = self.folds.iter_mut().map(|fold| fold.add::<false>(symbol, tick));
        let is_late = late.rev().fold(false, |_, late| late);
        self.late += u64::from(is_late);
        is_late
    }

    /// The next epoch at whose end a bar closes.
    pub(crate) fn next_close(&self) -> Option<Epoch> {
        let next = self.folds.iter().filter_map(Fold::next_close).min()?;
        Some(self.plan.epoch.of(next) - 1)
    }

    /// The log has ended: everything open closes, each bar at its own time.
    pub fn end(&mut self, out: &mut TickOutput) {
        self.reach_end(out);
        self.close_until(Epoch::MAX, out);
    }

    /// The log's end is that of its last bar.
    fn reach_end(&self, out: &mut TickOutput) {
        if self.plan.reaches {
            let passed = self.passed.filter(|time| *time > Time::from_ns(i64::MIN));
            for (base, fold) in self.folds.iter().enumerate() {
                if let Some(until) = passed.map(|time| fold.end_of_bar(time)).or(fold.last_end()) {
                    out.reaches.push(Reach { at: self.epoch, base: base as u32, until });
                }
            }
        }
    }

    /// The log has ended and others are read behind it: what is open goes out, each bar at its own time, to stand
    /// beside theirs. It stays open here, for a run that goes on from before that time.
    pub fn hand_over(&mut self, out: &mut TickOutput) {
        self.reach_end(out);
        let (epoch, partition, length) = (self.epoch, self.partition, self.plan.epoch);
        for (base, fold) in self.folds.iter_mut().enumerate() {
            let base = base as u32;
            let mut emit = |epoch, symbol, partial: &Partial| {
                out.rows.push(PartialRow { epoch, symbol, partition, base, partial: *partial });
            };
            fold.drain_late(|symbol, partial| emit(epoch, symbol, partial));
            fold.each_open(|end, symbol, partial| emit(length.of(end) - 1, symbol, partial));
        }
    }

    /// The epoch in which the last open bar closes, where one is open and that is still to come.
    pub fn last_close(&self) -> Option<Epoch> {
        let last = self.folds.iter().filter_map(Fold::last_open_end).max()?;
        Some((self.plan.epoch.of(last) - 1).max(self.epoch))
    }

    /// Leaves the present epoch for `epoch`, if it is a later one: first what the present one changed, then
    /// every bar that closes between, each at its own time.
    pub fn enter(&mut self, epoch: Epoch, out: &mut TickOutput) {
        if epoch <= self.epoch {
            return;
        }
        if self.plan.reaches {
            let until = self.plan.epoch.start(epoch);
            let reach = |base| Reach { at: self.epoch, base, until };
            out.reaches.extend((0..self.folds.len() as u32).map(reach));
        }
        self.close_until(epoch, out);
        let floor = self.floor(epoch);
        self.folds.iter_mut().for_each(|fold| fold.evict(floor));
    }

    /// What ends by then cannot change from `epoch` on.
    fn floor(&self, epoch: Epoch) -> Time {
        let horizon_ns = self.plan.horizons.of(self.partition);
        Time::from_ns(self.plan.epoch.start(epoch).ns().saturating_sub(horizon_ns))
    }

    fn close_until(&mut self, epoch: Epoch, out: &mut TickOutput) {
        let (partition, length) = (self.partition, self.plan.epoch);
        let mut emit = |base: usize, epoch, symbol, partial: &Partial| {
            let base = base as u32;
            out.rows.push(PartialRow { epoch, symbol, partition, base, partial: *partial });
        };
        for (base, fold) in self.folds.iter_mut().enumerate() {
            fold.drain_late(|symbol, partial| emit(base, self.epoch, symbol, partial));
        }
        let end_of_time =
            if epoch == Epoch::MAX { Time::from_ns(i64::MAX) } else { length.start(epoch) };
        loop {
            let closing = self.folds.iter().enumerate();
            let next = closing.filter_map(|(base, fold)| Some((fold.next_close()?, base))).min();
            let Some((end, base)) = next.filter(|(end, _)| *end <= end_of_time) else { break };
            let at = length.of(end) - 1;
            self.folds[base].close(|symbol, partial| emit(base, at, symbol, partial));
        }
        self.epoch = epoch;
        self.folds.iter_mut().for_each(|fold| fold.set_closed(end_of_time));
    }

    /// Appends the whole state; symbols by the ids of this process.
    pub fn snapshot(&self, to: &mut Snapshot) {
        self.snapshot_of(&|_| true, to);
        self.passed.iter().for_each(|passed| to.i64(passed.ns()));
    }

    /// Takes on the state that [`TickPath::snapshot`] of a path with the same plan wrote.
    pub fn restore(&mut self, from: &mut Restore<'_>) {
        self.restore_of(&|_| true, from);
        self.passed.iter_mut().for_each(|passed| *passed = Time::from_ns(from.i64()));
    }

    /// Appends what it holds of the symbols that `of` chooses.
    pub(crate) fn snapshot_of(&self, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot) {
        to.i64(self.epoch);
        to.u64(self.late);
        self.folds.iter().for_each(|fold| fold.snapshot(of, to));
    }

    /// Takes in, of what [`TickPath::snapshot_of`] wrote, the symbols that `of` chooses.
    pub(crate) fn restore_of(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>) {
        self.epoch = self.epoch.max(from.i64());
        self.late = from.u64();
        self.folds.iter_mut().for_each(|fold| fold.restore(of, from));
        let floor = self.floor(self.epoch);
        if let Some(forming) = &mut self.forming {
            for (base, fold) in self.folds.iter().enumerate() {
                fold.each_kept(|symbol, partial| forming.restore(base, symbol, partial));
            }
            forming.begin_at(floor);
        }
    }
}

#[cfg(test)]
mod tests;
