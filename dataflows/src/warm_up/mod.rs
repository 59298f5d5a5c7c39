//! Indicators that a checkpoint has no state of, because they were added or their kernel is a newer one: it is
//! made of older bars before a run goes on, and stands in the checkpoint then as if it had been there.
//!
//! ```text
//!  bars      o o o o o o o o o o o │ x x x x x │ boundary
//!            older: final          │ can change: in the checkpoint
//!  known     the checkpoint's state^  as it is, bit for bit
//!  added     a Past's bars ───────>^  then both go over the same bars
//! ```
//! One object is written beside those of the checkpoint, and a manifest names both: from there on nothing of it is
//! special, whichever workers and processes go on. Rows that were written are not written again.

mod again;
mod layout;
mod seeds;

pub use again::ReadAgain;
pub use seeds::Seeds;

pub(crate) use layout::{is_indicators, name_of};

use crate::checkpoint::{
    Bundle, Depot, Manifest, Objects, Piece, RestoreError, Restored, Shelf, encode, part_name,
};
use crate::glue::{Entry, Line, Words, load_symbols, save_lines};
use crate::graph::{Bars, IndicatorPlan, Plan, RollUps, Stage, roll_up_name};
use layout::{Held, HeldLane, held, lanes};
use market::{Bar, SymbolId, Time, Width};
use operators::indicator::Spec;
use operators::{Kernel, Restore, Snapshot};
use std::collections::BTreeMap;

/// Where older bars come from.
pub trait Past {
    /// Tells the bars of the widths and symbols that are wanted, those of each in order of time.
    ///
    /// # Errors
    /// Fails when they cannot be read.
    fn tell(&mut self, seeds: &mut Seeds) -> Result<(), PastError>;
}

/// Older bars that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct PastError {
    /// What was read, and what went wrong.
    pub what: String,
}

/// Why indicators could not be warmed up.
#[derive(Debug, thiserror::Error)]
pub enum WarmUpError {
    /// The checkpoint cannot be read, or the store not written.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Older bars cannot be read.
    #[error("warming up: {0}")]
    Past(#[from] PastError),
}

/// The lines of one width: state of the indicators that are kept, and the bars that can change.
struct Lane {
    width: Width,
    specs: Vec<Spec>,
    /// Of each indicator, which one of those that the checkpoint holds it is.
    kept: Vec<Option<usize>>,
    lines: Vec<(SymbolId, Line<Bar>)>,
}

/// Puts the state of `plan`'s indicators beside the checkpoint of `manifest`: what it holds of them as it is, the
/// rest from `past`. The manifest that names it, to be created by the run of `generation`.
///
/// # Errors
/// Fails when the checkpoint or older bars cannot be read, or the store cannot be written.
pub fn warm_up(
    plan: &Plan,
    depot: &dyn Depot,
    (manifest, generation): (&Manifest, u64),
    past: &mut dyn Past,
) -> Result<Manifest, WarmUpError> {
    let Some(boundary) = manifest.epoch else { return Ok(manifest.clone()) };
    let from = Restored::of(depot, manifest, &Objects::default(), &plan.symbols)?;
    let mut lanes = checkpointed(plan, &from)?;
    let floor = plan.clock().floor(boundary - 1);
    let mut seeds = Seeds::new(&plan.symbols);
    for lane in &mut lanes {
        lane.settle(plan, floor, &mut seeds);
    }
    if !seeds.is_empty() {
        past.tell(&mut seeds)?;
    }
    let mut words = Snapshot::default();
    for lane in lanes {
        save_lines(&lane.seeded(&mut seeds), &mut words);
    }
    Ok(with_piece(plan, depot, (manifest, generation), words)?)
}

/// The same for a lineage that nothing was read of: all indicators from bars older than `before` of a width.
///
/// # Errors
/// Fails when older bars cannot be read, or the store cannot be written.
pub fn begin_warm(
    plan: &Plan,
    depot: &dyn Depot,
    (manifest, generation): (&Manifest, u64),
    before: impl Fn(Width) -> Time,
    past: &mut dyn Past,
) -> Result<Manifest, WarmUpError> {
    let mut seeds = Seeds::of_plan(plan, before);
    past.tell(&mut seeds)?;
    let mut words = Snapshot::default();
    for (width, specs) in lanes(plan) {
        let (kept, lines) = (vec![None; specs.len()], Vec::new());
        save_lines(&Lane { width, specs, kept, lines }.seeded(&mut seeds), &mut words);
    }
    Ok(with_piece(plan, depot, (manifest, generation), words)?)
}

/// Stores the indicators' piece; the manifest with it.
fn with_piece(
    plan: &Plan,
    depot: &dyn Depot,
    (manifest, generation): (&Manifest, u64),
    words: Snapshot,
) -> Result<Manifest, RestoreError> {
    let piece = Piece { name: name_of(plan), words: words.into_words(), bytes: Vec::new() };
    // The checkpoints that the run cuts itself are numbered from 1.
    let object = part_name(generation, 0, 0);
    depot.put(&object, encode(&object, &plan.symbols, vec![piece], &Shelf::default()))?;
    let mut manifest = manifest.clone();
    manifest.bundles.push(object);
    Ok(Manifest { generation, ..manifest })
}

/// What a checkpoint holds of the lanes of a plan: of new ones the bars alone.
fn checkpointed(plan: &Plan, from: &Restored) -> Result<Vec<Lane>, RestoreError> {
    let mut held_lanes: Vec<HeldLane> = Vec::new();
    let mut lines: BTreeMap<Width, Vec<(SymbolId, Line<Bar>)>> = BTreeMap::new();
    let mut names = from.indicators().iter().flat_map(Bundle::names);
    if let Some(name) = names.find(|name| is_indicators(name)) {
        held_lanes = layout::parse(name).ok_or(RestoreError::Lacks)?;
        for (mut words, _) in from.pieces(name) {
            for (width, _) in &held_lanes {
                let to = lines.entry(*width).or_default();
                load_symbols(&|_| true, &mut words, |symbol, words| {
                    to.push((symbol, Line::load(words)));
                });
            }
        }
    }
    let lane = |(width, specs): (Width, Vec<Spec>)| {
        let known = held_lanes.iter().find(|(known, _)| *known == width);
        match known {
            Some((_, known)) => Lane::known(width, specs, known, lines.remove(&width)),
            None => Ok(Lane::new(plan, width, specs, &from.bundles)),
        }
    };
    lanes(plan).into_iter().map(lane).collect()
}

impl Lane {
    /// One that the checkpoint holds: what its indicators have no use for is gone.
    fn known(
        width: Width,
        specs: Vec<Spec>,
        known: &[Held],
        lines: Option<Vec<(SymbolId, Line<Bar>)>>,
    ) -> Result<Self, RestoreError> {
        let wanted = held(&specs);
        let kept: Vec<Option<usize>> =
            wanted.iter().map(|held| known.iter().position(|known| known == held)).collect();
        let ends: Vec<usize> = known
            .iter()
            .scan(0, |end, held| {
                *end += held.words;
                Some(*end)
            })
            .collect();
        let mut lines = lines.unwrap_or_default();
        for (_, line) in &mut lines {
            if line.state.len() != ends.last().copied().unwrap_or(0) {
                return Err(RestoreError::Lacks);
            }
            let part = |at: &usize| &line.state[ends[*at] - known[*at].words..ends[*at]];
            line.state = kept.iter().flatten().flat_map(part).copied().collect();
        }
        lines.sort_by_key(|(symbol, _)| *symbol);
        Ok(Lane { width, specs, kept, lines })
    }

    /// One that it does not: the bars that can still change are those of the stage that makes them.
    fn new(plan: &Plan, width: Width, specs: Vec<Spec>, bundles: &[Bundle]) -> Self {
        let shown = match plan.rolls_up_from(width) {
            None => {
                let mut bars = Bars::new(plan);
                load(&mut bars, "Bars", bundles);
                bars.shown(width).unwrap_or_default()
            }
            Some(narrow) => {
                let mut bars = RollUps::new(plan, narrow, width);
                load(&mut bars, &roll_up_name(width), bundles);
                bars.shown()
            }
        };
        let line = |(symbol, bars): (SymbolId, Vec<Bar>)| {
            let newest = bars.last()?.ts_open;
            // Nothing was handed out yet that these indicators make of them.
            let entries = bars.into_iter().map(|input| Entry::Live { said: 0, input }).collect();
            Some((symbol, Line { newest, state: Vec::new(), entries }))
        };
        let mut lines: Vec<_> = shown.into_iter().filter_map(line).collect();
        lines.sort_by_key(|(symbol, _)| *symbol);
        Lane { width, kept: vec![None; specs.len()], specs, lines }
    }

    /// Moves the state of what is kept on to the first bar that can change, and wants the rest there.
    fn settle(&mut self, plan: &Plan, floor: Time, seeds: &mut Seeds) {
        let of = |is_kept: bool| -> Vec<Spec> {
            let specs = self.specs.iter().zip(&self.kept);
            specs.filter(|(_, kept)| kept.is_some() == is_kept).map(|(s, _)| s.clone()).collect()
        };
        let (kept, added) = (of(true), of(false));
        let is_new = kept.is_empty();
        let can_change = |at: Time| at.ns().saturating_add(self.width.ns()) > floor.ns();
        let layouts = crate::graph::Layouts::new(kept, &plan.symbols);
        if !added.is_empty() {
            let others =
                Time::from_ns(floor.ns().saturating_sub(self.width.ns()).saturating_add(1));
            seeds.want(self.width, added.clone(), is_new.then_some(others));
        }
        for (symbol, line) in &mut self.lines {
            let first = line.entries.iter().position(|entry| can_change(entry.at()));
            let mut set = layouts.set(*symbol);
            let mut row = vec![0.0; set.outputs()];
            set.restore(&mut Restore::new(&line.state));
            let old = line.entries.drain(..first.unwrap_or(line.entries.len()));
            old.for_each(|entry| entry.input().iter().for_each(|bar| set.update(bar, &mut row)));
            let mut state = Snapshot::default();
            set.snapshot(&mut state);
            line.state = state.into_words();
            if !added.is_empty() {
                let after = Time::from_ns(line.newest.ns().saturating_add(1));
                let before = line.entries.first().map_or(after, Entry::at);
                seeds.want_symbol(*symbol, before);
            }
        }
    }

    /// The lines with the states of all indicators, in their order.
    fn seeded(self, seeds: &mut Seeds) -> Vec<(SymbolId, Line<Bar>)> {
        let mut states = seeds.take(self.width);
        let words: Vec<usize> = held(&self.specs).iter().map(|held| held.words).collect();
        let mut lines = self.lines;
        for (symbol, line) in &mut lines {
            let added = states.remove(symbol).unwrap_or_default();
            let (mut kept, mut added, mut state) = (&line.state[..], &added[..], Vec::new());
            for (words, is_kept) in words.iter().zip(self.kept.iter().map(Option::is_some)) {
                let from = if is_kept { &mut kept } else { &mut added };
                let (mine, rest) = from.split_at(*words);
                state.extend_from_slice(mine);
                *from = rest;
            }
            line.state = state;
        }
        // Symbols of which the checkpoint holds no bar.
        let newest = Time::from_ns(i64::MIN);
        let others = states.into_iter();
        lines.extend(
            others.map(|(symbol, state)| (symbol, Line { newest, state, entries: Vec::new() })),
        );
        lines
    }
}

/// Gives a stage all that a checkpoint holds of it.
fn load<C>(stage: &mut impl Stage<C>, name: &str, bundles: &[Bundle]) {
    for (mut words, _) in bundles.iter().flat_map(|bundle| bundle.pieces(name)) {
        stage.load(&|_| true, &mut words);
    }
}

impl Plan {
    /// The plan with the indicators alone that are wanted.
    fn wanted_of(&self, seeds: &Seeds) -> Plan {
        let lane = |(width, list)| IndicatorPlan { widths: vec![width], list };
        Plan { indicators: seeds.wanted().map(lane).collect(), ..self.clone() }
    }
}
