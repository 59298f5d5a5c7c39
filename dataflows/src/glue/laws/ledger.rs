//! Trades as they come to several partitions, change, are taken back and return, and what the partitions say of
//! their bars.

use super::chain::HORIZON_S;
use crate::tick::PartialRow;
use market::{Epoch, Offset, Price, Size, SymbolId, Tick, Time, Updates};
use operators::bar::Partial;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Seconds of a bar.
pub const BAR_S: i64 = 2;

/// What happens to a trade; picks are among those that the horizon reaches.
#[derive(Clone, Debug)]
pub enum Act {
    /// It comes, so many seconds late.
    New { late: i64, partition: u32, price: i64, updates: Updates },
    /// One that is there has another price.
    Edit(usize, i64),
    /// One that is there is taken back.
    Cancel(usize),
    /// One that was taken back is there again.
    Return(usize),
    /// The partition of one says again what it said.
    Repeat(usize),
}

/// Epochs since the last event, symbol, and what happens.
pub type Event = (i64, usize, Act);

pub fn events() -> impl Strategy<Value = Vec<Event>> {
    let updates = prop_oneof![4 => Just(7), 1 => 0u64..8];
    let updates = updates.prop_map(|code| Updates::of_code(code).expect("a code"));
    let new = (0..=HORIZON_S, 0u32..3, 1i64..50, updates);
    let act = prop_oneof![
        8 => new.prop_map(|(late, partition, price, updates)| Act::New { late, partition, price, updates }),
        1 => (any::<usize>(), 1i64..50).prop_map(|(pick, price)| Act::Edit(pick, price)),
        6 => any::<usize>().prop_map(Act::Cancel),
        3 => any::<usize>().prop_map(Act::Return),
        1 => any::<usize>().prop_map(Act::Repeat),
    ];
    let steps = prop_oneof![4 => 0i64..4, 1 => 0i64..30];
    prop::collection::vec((steps, 0usize..3, act), 1..120)
}

/// A trade, there or not.
#[derive(Clone, Debug)]
pub struct Trade {
    /// Seconds.
    pub ts: i64,
    pub symbol: usize,
    pub partition: u32,
    pub at: Offset,
    pub price: i64,
    pub updates: Updates,
    pub is_there: bool,
}

impl Trade {
    /// Start of its bar, in seconds.
    pub fn bar(&self) -> i64 {
        self.ts / BAR_S * BAR_S
    }

    pub fn tick(&self) -> Tick {
        let (ts, at) = (Time::from_ns(self.ts * Time::SECOND), self.at);
        let (price, size) = (Price::from_raw(self.price), Size::from_raw(1));
        Tick { ts, at, price, size, updates: self.updates }
    }
}

/// The trades by epoch.
pub struct Ledger<'a> {
    events: BTreeMap<Epoch, Vec<(usize, &'a Act)>>,
    symbols: &'a [SymbolId],
    /// Whether partitions tell of bars that are not over.
    early: bool,
    trades: Vec<Trade>,
    /// By bar and symbol the partitions that said they have trades of it.
    said: BTreeMap<(i64, usize), BTreeSet<u32>>,
    spread: BTreeSet<usize>,
    /// Where every interval is over that something happens in.
    pub end: Epoch,
}

impl<'a> Ledger<'a> {
    pub fn new(events: &'a [Event], symbols: &'a [SymbolId], early: bool) -> Self {
        let mut by_epoch: BTreeMap<Epoch, Vec<(usize, &Act)>> = BTreeMap::new();
        let mut epoch = 100;
        for (step, symbol, act) in events {
            epoch += step;
            by_epoch.entry(epoch).or_default().push((*symbol, act));
        }
        let (trades, said, spread) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Ledger { events: by_epoch, symbols, early, trades, said, spread, end: epoch + 65 }
    }

    pub fn trades(&self) -> &[Trade] {
        &self.trades
    }

    /// Symbols of which several partitions had trades of one bar at once.
    pub fn spread_symbols(&self) -> u64 {
        self.spread.len() as u64
    }

    /// What the partitions say in `epoch`, in order.
    pub fn epoch(&mut self, epoch: Epoch) -> Vec<PartialRow> {
        let mut rows = Vec::new();
        for (symbol, act) in self.events.remove(&epoch).unwrap_or_default() {
            let Some((bar, partition)) = self.act(epoch, symbol, act) else { continue };
            if self.early || bar + BAR_S <= epoch {
                rows.push(self.say(epoch, (bar, symbol), partition));
            }
        }
        let closing = self.trades.iter().filter(|it| it.is_there && it.bar() + BAR_S == epoch + 1);
        let closing: BTreeSet<_> =
            closing.map(|it| ((it.bar(), it.symbol), it.partition)).collect();
        if !self.early {
            rows.extend(closing.into_iter().map(|(bar, part)| self.say(epoch, bar, part)));
        }
        rows
    }

    /// Lets something happen; the bar and the partition of its trade.
    fn act(&mut self, epoch: Epoch, symbol: usize, act: &Act) -> Option<(i64, u32)> {
        let at = Offset::from_raw(self.trades.len() as u64);
        let picked = match *act {
            Act::New { late, partition, price, updates } => {
                let (ts, is_there) = (epoch - late, true);
                self.trades.push(Trade { ts, symbol, partition, at, price, updates, is_there });
                self.trades.last_mut()
            }
            Act::Edit(pick, _) | Act::Cancel(pick) | Act::Repeat(pick) => {
                self.pick(epoch, symbol, true, pick)
            }
            Act::Return(pick) => self.pick(epoch, symbol, false, pick),
        };
        let trade = picked?;
        match act {
            Act::Edit(_, price) => trade.price = *price,
            Act::Cancel(_) => trade.is_there = false,
            Act::Return(_) => trade.is_there = true,
            Act::New { .. } | Act::Repeat(_) => {}
        }
        Some((trade.bar(), trade.partition))
    }

    fn pick(
        &mut self,
        epoch: Epoch,
        symbol: usize,
        there: bool,
        pick: usize,
    ) -> Option<&mut Trade> {
        let reached = |trade: &&mut Trade| trade.ts >= epoch - HORIZON_S;
        let trades = self.trades.iter_mut().filter(reached);
        let mut trades: Vec<_> =
            trades.filter(|it| it.symbol == symbol && it.is_there == there).collect();
        let count = trades.len();
        (count > 0).then(|| trades.swap_remove(pick % count))
    }

    /// What a partition holds of a bar.
    fn say(&mut self, epoch: Epoch, (bar, symbol): (i64, usize), partition: u32) -> PartialRow {
        let mut partial = Partial::new(Time::from_ns(bar * Time::SECOND));
        let is_of_it =
            |it: &&Trade| (it.bar(), it.symbol, it.partition) == (bar, symbol, partition);
        let trades = self.trades.iter().filter(is_of_it).filter(|trade| trade.is_there);
        trades.for_each(|trade| partial.add_tick(&trade.tick()));
        let said = self.said.entry((bar, symbol)).or_default();
        match partial.is_empty() {
            true => _ = said.remove(&partition),
            false if said.insert(partition) && said.len() > 1 => _ = self.spread.insert(symbol),
            false => {}
        }
        PartialRow { epoch, symbol: self.symbols[symbol], partition, base: 0, partial }
    }
}
