//! The trades of a pool of partitions, judged and folded by the worker that owns their symbol.
//!
//! ```text
//!  rows of a complete epoch -> in order -> Judge -> TickPath -> partial bars of the same epoch
//! ```
//! The order is that of one log: by epoch, time, partition and offset, all of them said by the partitions' own logs.
//! So what becomes of a symbol is a function of the input alone. A trade is late where it was late in its partition:
//! both know its epoch.

use super::plan::Plan;
use super::ticks::Left;
use crate::checkpoint::words_of;
use crate::glue::{Batch, Pending};
use crate::tick::{Horizons, PartialRow, TickOutput, TickPath};
use crate::wire::{Partials, Pooled, Stamped};
use market::{
    Admitted, Counts, DeadLetter, Epoch, EpochLength, Judge, Offset, PartitionError, Run, SymbolId,
    Symbols, Tick, Time, Trade,
};
use operators::{Restore, Snapshot};
use std::fmt;
use std::sync::Arc;

/// Makes the judge of a pool on a worker.
pub type MakeJudge = Arc<dyn Fn() -> Box<dyn Judge> + Send + Sync>;

/// Partitions whose symbols are spread over them.
#[derive(Clone)]
pub struct PoolPlan {
    /// How far back of its watermark each of them can still change a bar.
    pub horizon_ns: i64,
    /// The number of the partition that they are read behind, if they are.
    pub behind: Option<u32>,
    /// Makes the judge of their trades.
    pub judge: MakeJudge,
}

impl fmt::Debug for PoolPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolPlan").field("horizon_ns", &self.horizon_ns).finish_non_exhaustive()
    }
}

impl Batch for Pooled {
    fn len(&self) -> usize {
        self.trades.len()
    }

    fn epoch(&self, row: usize) -> Epoch {
        self.trades[row].epoch
    }
}

/// What is counted of a symbol.
#[derive(Clone, Copy, Default)]
struct Tally {
    used: u64,
    late: u64,
}

impl Tally {
    #[inline]
    fn add(&mut self, more: Tally) {
        self.used += more.used;
        self.late += more.late;
    }
}

/// A pool's share of one worker.
pub(super) struct Pool {
    behind: Option<u32>,
    horizon_ns: i64,
    length: EpochLength,
    symbols: Symbols,
    judge: Box<dyn Judge>,
    path: TickPath,
    pending: Pending<Pooled>,
    /// By symbol id, and all together.
    tallies: Vec<Tally>,
    total: Tally,
    out: TickOutput,
}

impl Pool {
    /// Every pool of a plan.
    pub fn all(plan: &Plan) -> Vec<Pool> {
        plan.pools.iter().zip(0..).map(|(pool, number)| Pool::new(plan, pool, number)).collect()
    }

    /// Pool number `number`. Its parts of bars are those of a partition of their own, behind all others.
    fn new(plan: &Plan, pool: &PoolPlan, number: u32) -> Self {
        let (horizon_ns, mut ticks) = (pool.horizon_ns, plan.tick_plan());
        (ticks.horizons, ticks.reaches) = (Horizons::all(horizon_ns), false);
        Pool {
            behind: pool.behind,
            horizon_ns,
            length: plan.epoch,
            symbols: plan.symbols.clone(),
            judge: (pool.judge)(),
            path: TickPath::new(ticks, u32::MAX - number),
            pending: Pending::default(),
            tallies: Vec::new(),
            total: Tally::default(),
            out: TickOutput::default(),
        }
    }

    pub fn receive(&mut self, trades: Pooled) {
        self.pending.push(trades);
    }

    /// Log number `number` has ended, and left this of the symbols that are `mine`.
    pub fn follow(
        &mut self,
        number: u32,
        left: &[u8],
        mine: &dyn Fn(SymbolId) -> bool,
    ) -> Result<(), PartitionError> {
        match self.behind {
            Some(behind) if behind == number => self.judge.follow(left, mine),
            _ => Ok(()),
        }
    }

    /// The next epoch that has trades, or at whose end a bar closes.
    pub fn next_epoch(&self) -> Option<Epoch> {
        self.pending.next_epoch().into_iter().chain(self.path.next_close()).min()
    }

    /// Judges and folds the trades of `epoch`, of which everything has come, and hands out what it changed.
    pub fn apply(
        &mut self,
        epoch: Epoch,
        letters: &mut Vec<DeadLetter>,
        mut each: impl FnMut(&PartialRow),
    ) {
        let mut out = std::mem::take(&mut self.out);
        self.path.enter(epoch, &mut out);
        let mut pending = std::mem::take(&mut self.pending);
        if pending.next_epoch() == Some(epoch) {
            self.judge(epoch, &pending, letters);
            pending.pass(epoch);
        }
        self.pending = pending;
        self.path.enter(epoch + 1, &mut out);
        out.rows.drain(..).for_each(|row| each(&row));
        self.out = out;
    }

    fn judge(&mut self, epoch: Epoch, pending: &Pending<Pooled>, letters: &mut Vec<DeadLetter>) {
        let floor = self.length.start(epoch).ns().saturating_sub(self.horizon_ns);
        let mut rows: Vec<(&Pooled, &Trade)> = Vec::new();
        for (batch, of_epoch) in pending.of(epoch) {
            rows.extend(batch.trades[of_epoch].iter().map(|stamped| (batch, &stamped.trade)));
        }
        // Each partition brings rows that mostly stand in order: a sort that finds runs merges them.
        rows.sort_by_key(|(batch, trade)| (trade.ts_event, batch.partition, trade.offset));
        for (batch, trade) in rows {
            match self.judge.judge(trade, Time::from_ns(floor)) {
                Ok(()) => self.fold(trade),
                Err(refused) => letters.push(DeadLetter {
                    epoch,
                    partition: batch.partition,
                    source: batch.source.as_ref().to_owned(),
                    offset: trade.offset,
                    reason: refused.reason,
                    detail: refused.detail,
                    raw: refused.raw,
                    symbol: Some(self.symbols.text(trade.symbol).as_ref().to_owned()),
                    ts_event: Some(trade.ts_event),
                }),
            }
        }
    }

    #[inline]
    fn fold(&mut self, trade: &Trade) {
        let tally = tally(&mut self.tallies, trade.symbol);
        // Its place among the symbol's trades that were used.
        let at = Offset::from_raw(tally.used);
        let Trade { ts_event: ts, price, size, updates, .. } = *trade;
        let tick = Tick { ts, at, price, size, updates };
        let late = u64::from(self.path.fold_one(trade.symbol, tick));
        tally.add(Tally { used: 1, late });
        self.total.add(Tally { used: 1, late });
    }

    /// What became of its trades; who read them counts that.
    pub fn counts(&self) -> Counts {
        let Tally { used, late } = self.total;
        Counts { used, late, ..self.judge.counts() }
    }

    pub fn save(&self, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot) {
        self.path.snapshot_of(of, to);
        to.counted(|to| {
            let tallies = (0..).map(SymbolId::from_index).zip(&self.tallies);
            let mine = tallies.filter(|(symbol, tally)| tally.used > 0 && of(*symbol));
            mine.map(|(symbol, tally)| {
                to.symbol(symbol);
                to.u64(tally.used);
                to.u64(tally.late);
            })
            .count() as u64
        });
        let bytes = self.judge.snapshot(of);
        to.u64(bytes.len() as u64);
        words_of(&bytes).for_each(|word| to.u64(word));
    }

    pub fn load(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>) {
        self.path.restore_of(of, from);
        for _ in 0..from.u64() {
            let symbol = from.symbol();
            let found = Tally { used: from.u64(), late: from.u64() };
            if of(symbol) {
                *tally(&mut self.tallies, symbol) = found;
                self.total.add(found);
            }
        }
        let length = from.u64() as usize;
        let words = (0..length.div_ceil(8)).flat_map(|_| from.u64().to_le_bytes());
        let bytes: Vec<u8> = words.take(length).collect();
        // The bundle's checksum was right, and this program wrote it.
        self.judge.restore(of, &bytes).expect("what a judge saved");
    }
}

impl Partials {
    /// Passes a run of a batch on as one more of `like`; the greatest time in it.
    pub(super) fn pass_on(&mut self, batch: &Admitted, run: &Run, like: &Pooled) -> Time {
        let rows = run.rows.start as usize..run.rows.end as usize;
        let times = batch.trades.ts_event[rows.clone()].iter();
        let stamped = |row| Stamped { epoch: run.epoch, trade: batch.trades.row(row) };
        self.pooled_as(like).extend(rows.map(stamped));
        times.copied().max().unwrap_or(Time::from_ns(i64::MIN))
    }

    /// Tells every worker what logs have left at their end.
    pub(super) fn leave(&mut self, left: &[Left], peers: u32) {
        for (number, left) in left {
            let left = Arc::new(left.clone());
            self.left.extend((0..peers).map(|to| (to, *number, left.clone())));
        }
    }
}

fn tally(tallies: &mut Vec<Tally>, symbol: SymbolId) -> &mut Tally {
    if tallies.len() <= symbol.index() {
        tallies.resize(symbol.index() + 1, Tally::default());
    }
    &mut tallies[symbol.index()]
}
