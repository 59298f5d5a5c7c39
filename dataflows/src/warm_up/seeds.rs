//! States of indicators in the making: older bars go in, by symbol and width, each in order of time.

use super::layout::lanes;
use super::{Entry, Line};
use crate::graph::{Layouts, Plan};
use market::{Bar, SymbolId, Symbols, Time, Width};
use operators::indicator::{IndicatorSet, Spec};
use operators::{Kernel, Restore, Snapshot};
use std::collections::BTreeMap;

/// What older bars are wanted for, and the states that they make.
pub struct Seeds {
    symbols: Symbols,
    lanes: Vec<SeedLane>,
}

/// The indicators of one width.
struct SeedLane {
    width: Width,
    layouts: Layouts,
    /// Where the bars of a symbol begin that a checkpoint holds, and the state before.
    sets: BTreeMap<SymbolId, (Time, IndicatorSet)>,
    /// The same of all other symbols; none where they are of no use.
    others_before: Option<Time>,
    row: Vec<f64>,
}

impl Seeds {
    /// Nothing is wanted yet.
    pub(super) fn new(symbols: &Symbols) -> Self {
        Seeds { symbols: symbols.clone(), lanes: Vec::new() }
    }

    /// Wants the state of all indicators of `plan` before the bars of this time of a width.
    pub(super) fn of_plan(plan: &Plan, before: impl Fn(Width) -> Time) -> Self {
        let mut seeds = Seeds::new(&plan.symbols);
        for (width, specs) in lanes(plan) {
            seeds.want(width, specs, Some(before(width)));
        }
        seeds
    }

    /// Wants indicators of `width`, of symbols not named before the bars of that time.
    pub(super) fn want(&mut self, width: Width, specs: Vec<Spec>, others_before: Option<Time>) {
        let row = vec![0.0; specs.iter().map(|spec| spec.outputs().len()).sum()];
        let (layouts, sets) = (Layouts::new(specs, &self.symbols), BTreeMap::new());
        self.lanes.push(SeedLane { width, layouts, sets, others_before, row });
    }

    /// Wants the last lane's state of `symbol` before its bar at `before`.
    pub(super) fn want_symbol(&mut self, symbol: SymbolId, before: Time) {
        if let Some(lane) = self.lanes.last_mut() {
            lane.sets.insert(symbol, (before, lane.layouts.set(symbol)));
        }
    }

    /// The symbols that bars are told by.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// The widths whose bars are wanted.
    pub fn widths(&self) -> impl Iterator<Item = Width> + '_ {
        self.lanes.iter().map(|lane| lane.width)
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The indicators that are wanted, by width.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (Width, Vec<Spec>)> + '_ {
        self.lanes.iter().map(|lane| (lane.width, lane.layouts.specs().to_vec()))
    }

    /// The next bar of a symbol and width in order of time. One that is not older than what is wanted is
    /// left out.
    pub fn bar(&mut self, width: Width, symbol: SymbolId, bar: &Bar) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.width == width) {
            lane.update(symbol, std::iter::once(bar));
        }
    }

    /// The state before some bars, and those, in place of all bars one by one.
    pub(super) fn line(&mut self, width: Width, symbol: SymbolId, line: &Line<Bar>) {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.width == width) else { return };
        if let Some((_, set)) = lane.set(symbol) {
            set.restore(&mut Restore::new(&line.state));
            lane.update(symbol, line.entries.iter().filter_map(Entry::input));
        }
    }

    /// The states of a width by symbol.
    pub(super) fn take(&mut self, width: Width) -> BTreeMap<SymbolId, Vec<u64>> {
        let lane = self.lanes.iter_mut().find(|lane| lane.width == width);
        let sets = lane.map(|lane| std::mem::take(&mut lane.sets)).unwrap_or_default();
        let state = |(symbol, (_, set)): (SymbolId, (Time, IndicatorSet))| {
            let mut state = Snapshot::default();
            set.snapshot(&mut state);
            (symbol, state.into_words())
        };
        sets.into_iter().map(state).collect()
    }
}

impl SeedLane {
    fn set(&mut self, symbol: SymbolId) -> Option<&mut (Time, IndicatorSet)> {
        let new = || self.others_before.map(|before| (before, self.layouts.set(symbol)));
        match self.sets.entry(symbol) {
            std::collections::btree_map::Entry::Occupied(set) => Some(set.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => Some(place.insert(new()?)),
        }
    }

    fn update<'a>(&mut self, symbol: SymbolId, bars: impl Iterator<Item = &'a Bar>) {
        let mut row = std::mem::take(&mut self.row);
        if let Some((before, set)) = self.set(symbol) {
            let before = *before;
            bars.filter(|bar| bar.ts_open < before).for_each(|bar| set.update(bar, &mut row));
        }
        self.row = row;
    }
}
