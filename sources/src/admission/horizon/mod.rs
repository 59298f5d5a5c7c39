//! The horizon's trades: what corrections may name, and what bars that they touch are folded from again.
//!
//! Trades stay as the batches they were read in, shared with the graph and not copied; only batches of fewer than
//! [`SHARED_ROWS`] are gathered. Each trade has a number, counted from the partition's first. What corrections made of
//! trades lies beside ([`edits`]), so a block never changes once its last row was admitted.
//!
//! **What leaves.** A bar that a correction can touch begins less than the widest bar that is folded from trades before
//! the floor, so a block leaves when it lies before that as a whole, and not before the bars that its batch touched are
//! folded again. Of more than `max` trades the oldest leave early: they are not corrected, and a bar that may have lost
//! one is not touched any more. Which corrections that refuses follows from the trades' numbers, not from where blocks
//! end, so it is a function of the log alone.
//!
//! **Cost.** A bit and two comparisons a trade; 57 bytes a trade with id and venue, 37 without. A symbol's rows are
//! listed block by block when they are first asked for, in 8 bytes a trade more. `benches/corrections` measures them.

mod block;
mod edits;
mod pour;

use block::Block;
use edits::{Edit, Edits};
pub(super) use edits::{Named, Values};
use market::{Offset, Run, SharedTrades, SymbolId, Tick, Trade, Trades};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

/// Rows from which on a batch is shared, not copied. Tests have small ones of both kinds.
const SHARED_ROWS: usize = if cfg!(test) { 48 } else { 1_024 };
/// Rows of a block of copied ones.
const OWN_ROWS: usize = if cfg!(test) { 8 } else { 4_096 };
/// Columns that wait to be used again.
const SPARE_MAX: usize = 64;

/// Trades with their names.
pub(super) type Matching = Vec<(Named, Found)>;

/// What there is of the trade of a name that was admitted at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sought {
    /// It was not corrected yet.
    Plain(Found),
    /// It stands among those that were corrected.
    Corrected,
    /// It left early.
    Lost,
}

/// A trade that a correction names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its number.
    ordinal: u64,
    /// Its position.
    at: Offset,
    /// Its time as it was admitted.
    pub own: i64,
    /// As it is now; nothing where it was taken back.
    pub now: Option<Values>,
}

pub(super) struct Horizon {
    blocks: VecDeque<Block>,
    edits: Edits,
    /// Trades so far.
    kept: u64,
    /// Trades that may be corrected.
    max: u64,
    /// The widest bar that is folded from trades.
    span_ns: i64,
    /// The latest trade that left early.
    lost: i64,
    /// How many did.
    pub left_early: u64,
    /// The venue of a record without one.
    blank: SymbolId,
    /// Up to which trade each pour reaches that is still needed.
    pours: VecDeque<u64>,
    spare: Vec<Trades>,
    /// While it is read back: the number of the first trade that is missing.
    wanted: u64,
}

impl Horizon {
    pub fn new(max: u64, span_ns: i64, blank: SymbolId) -> Self {
        Horizon {
            blocks: VecDeque::new(),
            edits: Edits::default(),
            kept: 0,
            max,
            span_ns,
            lost: i64::MIN,
            left_early: 0,
            blank,
            pours: VecDeque::new(),
            spare: Vec::new(),
            wanted: 0,
        }
    }

    /// Keeps what was admitted of a batch that had `told` rows when it came, behind what was kept of it so far. Nothing
    /// so far is later than `head`.
    pub fn keep(&mut self, trades: &SharedTrades, runs: &[Run], told: usize, head: i64) {
        for run in runs.iter().filter(|run| !run.rows.is_empty()) {
            let is_appended = run.rows.start as usize >= told;
            if is_appended || told < SHARED_ROWS {
                self.copy(trades, run.rows.clone(), head);
            } else {
                self.share(trades, run.rows.clone(), head);
            }
        }
    }

    fn copy(&mut self, trades: &Trades, rows: Range<u32>, head: i64) {
        for row in rows {
            let has_room = |block: &Block| block.is_own && (block.len as usize) < OWN_ROWS;
            if !self.blocks.back().is_some_and(has_room) {
                self.seal();
                let columns = self.spare.pop().unwrap_or_default().into();
                self.blocks.push_back(Block::of(columns, self.kept, true));
            }
            if let Some(block) = self.blocks.back_mut() {
                block.push(&trades.row(row as usize), self.blank, head);
            }
            self.kept += 1;
        }
    }

    fn share(&mut self, trades: &SharedTrades, rows: Range<u32>, head: i64) {
        let is_same = |block: &Block| block.trades.is_same(trades);
        if !self.blocks.back().is_some_and(is_same) {
            self.seal();
            self.blocks.push_back(Block::of(trades.clone(), self.kept, false));
        }
        self.kept += u64::from(rows.end - rows.start);
        if let Some(block) = self.blocks.back_mut() {
            block.admit(rows, head);
        }
    }

    /// The last block grows no more.
    fn seal(&mut self) {
        self.blocks.back_mut().into_iter().for_each(|block| block.is_own = false);
    }

    /// Lets go of what no bar needs that is touched from now on, where the horizon begins at `floor`, and of what is too
    /// much. Those that were touched must have been folded again.
    pub fn leave(&mut self, floor: i64) {
        let until = floor.saturating_sub(self.span_ns);
        let too_old = self.kept.saturating_sub(self.max);
        while let Some(front) = self.blocks.front() {
            let is_early = front.end() <= too_old && front.until > until;
            if front.until > until && !is_early {
                break;
            }
            let Some(mut block) = self.blocks.pop_front() else { break };
            if is_early {
                self.lost = self.lost.max(block.range().1);
                let times = block.rows().map(|row| block.trades.ts_event[row].ns());
                self.left_early += times.filter(|ts| *ts >= floor).count() as u64;
            }
            if self.spare.len() < SPARE_MAX
                && let Some(mut columns) = block.trades.reclaim()
            {
                columns.clear();
                self.spare.push(columns);
            }
        }
        self.edits.expire(until);
    }

    /// Columns that can be filled again.
    pub fn spare(&mut self) -> Trades {
        self.spare.pop().unwrap_or_default()
    }

    /// Whether the bar of a time may have lost trades that left early: it cannot be folded again then. Of a batch, `runs`
    /// were admitted and are not kept yet.
    pub fn has_lost(&self, ts: i64, trades: &Trades, runs: &[Run]) -> bool {
        let (from, too_old) = (ts.saturating_sub(self.span_ns), self.oldest(runs));
        let early = self.blocks.iter().take_while(|block| block.first < too_old);
        let lies_there = |block: &Block| {
            let rows = block.rows().take_while(|&row| block.ordinal(row) < too_old);
            let mut times = rows.map(|row| block.trades.ts_event[row].ns());
            block.until > from && times.any(|ts| ts > from)
        };
        let fresh = runs.iter().flat_map(|run| run.rows.clone());
        let mut fresh = fresh.take(too_old.saturating_sub(self.kept) as usize);
        self.lost > from
            || early.into_iter().any(lies_there)
            || fresh.any(|row| trades.ts_event[row as usize].ns() > from)
    }

    /// The corrected trades of a name, the newest first.
    pub fn corrected<'a>(&'a self, named: &'a Named) -> impl Iterator<Item = Found> + 'a {
        let found = |(ordinal, edit): (u64, &Edit)| {
            let Edit { at, own, now, .. } = *edit;
            Found { ordinal, at, own, now }
        };
        self.edits.named(named).rev().map(found)
    }

    /// The number of the first trade that has not left early, whether the block that it was in is still held or not. Of
    /// a batch, `runs` were admitted and are not kept yet.
    fn oldest(&self, runs: &[Run]) -> u64 {
        let more: u64 = runs.iter().map(|run| run.rows.len() as u64).sum();
        (self.kept + more).saturating_sub(self.max)
    }

    /// The trade of a name that was admitted at a time, among those that are kept and rows of a batch of which `runs`
    /// were admitted and are not kept yet.
    pub fn seek(&mut self, trades: &Trades, runs: &[Run], named: &Named, ts: i64) -> Sought {
        let oldest = self.oldest(runs);
        let found = self.find_in(trades, runs, named, ts).or_else(|| self.find(named, ts));
        match found.filter(|found| found.ordinal >= oldest) {
            Some(found) if self.edits.of(found.ordinal).is_none() => Sought::Plain(found),
            None if self.edits.named(named).all(|(_, edit)| edit.own != ts) => Sought::Lost,
            _ => Sought::Corrected,
        }
    }

    /// The last kept trade of a name and a time, as it was admitted.
    fn find(&mut self, named: &Named, ts: i64) -> Option<Found> {
        let blank = self.blank;
        for block in self.blocks.iter_mut().rev() {
            if !block.is_in(ts, ts.saturating_add(1)) {
                continue;
            }
            let mut found = None;
            block.each_of(named.symbol, |row| {
                if is_named(&block.trades, row, named, ts, blank) {
                    found = Some(row);
                }
            });
            let Some(row) = found else { continue };
            return Some(Found::new(block.ordinal(row), &block.trades.row(row)));
        }
        None
    }

    /// The same among rows that were admitted and are not kept yet.
    fn find_in(&self, trades: &Trades, runs: &[Run], named: &Named, ts: i64) -> Option<Found> {
        let mut ordinal = self.kept + runs.iter().map(|run| run.rows.len() as u64).sum::<u64>();
        for row in runs.iter().rev().flat_map(|run| run.rows.clone().rev()) {
            ordinal -= 1;
            if is_named(trades, row as usize, named, ts, self.blank) {
                return Some(Found::new(ordinal, &trades.row(row as usize)));
            }
        }
        None
    }

    /// The trades of some symbols, or all, that lie in a span of time.
    pub fn matching(
        &mut self,
        (from, to): (i64, i64),
        symbols: Option<&BTreeSet<SymbolId>>,
    ) -> Matching {
        let (edits, blank) = (&self.edits, self.blank);
        let mut found: Matching = Vec::new();
        for block in &mut self.blocks {
            if !block.is_in(from, to) {
                continue;
            }
            let mut each = |row: usize| {
                let (ts, ordinal) = (block.trades.ts_event[row].ns(), block.ordinal(row));
                if from <= ts && ts < to && edits.of(ordinal).is_none() {
                    let trade = block.trades.row(row);
                    found.push((name(&trade, blank), Found::new(ordinal, &trade)));
                }
            };
            match symbols {
                Some(symbols) => symbols.iter().for_each(|one| block.each_of(*one, &mut each)),
                None => block.rows().for_each(each),
            }
        }
        let edited = edits.between(from, to).map(|(ordinal, edit)| {
            let Edit { named, at, own, now, .. } = *edit;
            (named, Found { ordinal, at, own, now })
        });
        found.extend(edited);
        found
    }

    /// The same among rows that were admitted and are not kept yet.
    pub fn matching_in(&self, trades: &Trades, runs: &[Run], (from, to): (i64, i64)) -> Matching {
        let rows = runs.iter().flat_map(|run| run.rows.clone());
        let fresh = rows.zip(self.kept..).filter(|(row, ordinal)| {
            let ts = trades.ts_event[*row as usize].ns();
            from <= ts && ts < to && self.edits.of(*ordinal).is_none()
        });
        let found = fresh.map(|(row, ordinal)| {
            let trade = trades.row(row as usize);
            (name(&trade, self.blank), Found::new(ordinal, &trade))
        });
        found.collect()
    }

    /// A found trade becomes `now`, or is taken back.
    pub fn edit(&mut self, found: &Found, named: Named, now: Option<Values>) {
        let Found { ordinal, at, own, .. } = *found;
        let before = self.edits.of(ordinal).map_or(own, |edit| edit.last);
        let last = now.map_or(before, |now| before.max(now.ts));
        self.edits.put(ordinal, Edit { named, at, own, last, now });
    }

    /// Appends the trades of a symbol from `from` up to but not at `to`, by rising time and position.
    pub fn ticks(&mut self, symbol: SymbolId, from: i64, to: i64, ticks: &mut Vec<Tick>) {
        let edits = &self.edits;
        let is_touched = edits.touch(symbol);
        for block in &mut self.blocks {
            if !block.is_in(from, to) {
                continue;
            }
            let trades = &block.trades;
            block.each_of(symbol, |row| {
                let ts = trades.ts_event[row];
                let is_in = from <= ts.ns() && ts.ns() < to;
                if is_in && !(is_touched && edits.of(block.ordinal(row)).is_some()) {
                    ticks.push(Tick {
                        ts,
                        at: trades.offset[row],
                        price: trades.price[row],
                        size: trades.size[row],
                        updates: trades.updates.get(row).copied().unwrap_or_default(),
                    });
                }
            });
        }
        ticks.extend(edits.ticks(symbol, from, to));
        // Of one time the later position comes last.
        ticks.sort_by_key(|tick| (tick.ts, tick.at));
    }
}

impl Found {
    fn new(ordinal: u64, trade: &Trade) -> Self {
        let &Trade { ts_event, price, size, updates, offset: at, .. } = trade;
        let own = ts_event.ns();
        Found { ordinal, at, own, now: Some(Values { ts: own, price, size, updates }) }
    }
}

/// What names a trade within its day.
fn name(trade: &Trade, blank: SymbolId) -> Named {
    let venue = trade.venue.filter(|venue| *venue != blank);
    Named { symbol: trade.symbol, venue, id: trade.trade_id }
}

fn is_named(trades: &Trades, row: usize, named: &Named, ts: i64, blank: SymbolId) -> bool {
    let venue = || trades.venue.get(row).copied().filter(|venue| *venue != blank);
    trades.ts_event[row].ns() == ts
        && trades.symbol[row] == named.symbol
        && trades.trade_id.get(row) == Some(&named.id)
        && venue() == named.venue
}
