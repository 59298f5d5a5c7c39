//! The law of warming up where trades are taken back: indicators that are made up at a boundary go on as those that
//! were there from the start, whatever was removed before and returns behind it.

use super::*;
use crate::checkpoint::{Depot, Manifest};
use crate::checkpoint::{MemoryDepot, Objects, Piece, Restored, Shelf, encode, part_name};
use crate::glue::Empty;
use crate::graph::{IndicatorPlan, roll_up_name};
use crate::tick::{Course, Horizons, PartialRow, Reach};
use crate::warm_up::{Past, PastError, Seeds, name_of, warm_up};
use crate::wire::RowParcel;
use market::{Body, Change, EpochLength, Offset, Price, Size, Time};
use operators::bar::Partial;
use operators::indicator::Registry;
use proptest::prelude::*;
use std::collections::BTreeMap;

const HORIZON_S: i64 = 8;
const WIDTHS: [&str; 2] = ["1s", "5s"];
const INDICATORS: [&str; 3] = ["sma(2)", "ema(3)", "obv"];

/// Which indicators each width has.
type Choice = [[bool; INDICATORS.len()]; WIDTHS.len()];

fn width(text: &str) -> Width {
    text.parse().unwrap()
}

fn plan(choice: &Choice, empty: Empty, symbols: &Symbols) -> Plan {
    let lane = |(text, chosen): (&&str, &[bool; INDICATORS.len()])| {
        let chosen = INDICATORS.iter().zip(chosen).filter(|(_, chosen)| **chosen);
        let list = chosen.map(|(text, _)| Registry::standard().parse(text).unwrap()).collect();
        IndicatorPlan { widths: vec![width(text)], list }
    };
    Plan {
        epoch: EpochLength::SECOND,
        lateness_ns: 0,
        horizons: Horizons::all(HORIZON_S * Time::SECOND),
        course: Course::default(),
        pools: Vec::new(),
        widths: WIDTHS.map(width).to_vec(),
        empty,
        indicators: WIDTHS.iter().zip(choice).map(lane).collect(),
        symbols: symbols.clone(),
    }
}

/// A row of indicators: width, start, what became of it with its revision, and what it says.
type Row = (Width, Time, (Change, u32), Vec<Option<u64>>);

/// By width and start how often a row was handed out, and whether it is there.
type Known = BTreeMap<(Width, Time), (u32, bool)>;

/// The stages of a plan, and what they handed out.
struct Run {
    plan: Plan,
    bars: Bars,
    wide: RollUps,
    indicators: Indicators,
    /// By width and start, what is there.
    there: BTreeMap<(Width, Time), Bar>,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let (bars, wide) = (Bars::new(&plan), RollUps::new(&plan, width("1s"), width("5s")));
        let (indicators, there) = (Indicators::new(&plan), BTreeMap::new());
        Run { plan, bars, wide, indicators, there }
    }

    /// Applies an epoch; the rows of indicators that come of it.
    fn epoch(&mut self, epoch: Epoch, rows: &[PartialRow]) -> Vec<Row> {
        let until = self.plan.epoch.start(epoch + 1);
        let reaches = vec![(0, Reach { at: epoch, base: 0, until })];
        self.bars.receive(Partials { rows: rows.to_vec(), reaches, ..Partials::default() });
        let bases = apply(&mut self.bars, epoch, Output::new(0, 0, &self.plan.symbols));
        bases.iter().for_each(|parcel| self.wide.receive(parcel.clone()));
        let wide = apply(&mut self.wide, epoch, Output::new(0, 0, &self.plan.symbols));
        for parcel in bases.iter().chain(&wide) {
            self.indicators.receive(parcel.clone());
            let Some(rows) = parcel.rows() else { continue };
            for (key, bar) in rows.keys.iter().zip(rows.bars()) {
                match key.is_removed() {
                    true => self.there.remove(&(key.width, key.ts_open)),
                    false => self.there.insert((key.width, key.ts_open), *bar),
                };
            }
        }
        let columns = self.plan.indicator_columns().len();
        let out = Output::new(1, columns, &self.plan.symbols);
        let floats = apply(&mut self.indicators, epoch, out);
        let mut said: Vec<Row> = floats.iter().filter_map(Shared::rows).flat_map(rows_of).collect();
        said.sort_by_key(|(width, start, ..)| (*width, *start));
        said
    }

    /// All it holds, cut before `before` and put together for another plan by warming up.
    fn warmed_up(&mut self, before: Epoch, plan: Plan) -> Run {
        let mut pieces = Vec::new();
        let mut piece = |name: String, save: &mut dyn FnMut(&mut Snapshot)| {
            let mut words = Snapshot::default();
            save(&mut words);
            pieces.push(Piece { name, words: words.into_words(), bytes: Vec::new() });
        };
        let wide_name = roll_up_name(width("5s"));
        piece("Bars".to_owned(), &mut |to| self.bars.save(before, &|_| true, to));
        piece(wide_name.clone(), &mut |to| self.wide.save(before, &|_| true, to));
        piece(name_of(&self.plan), &mut |to| self.indicators.save(before, &|_| true, to));
        let depot = MemoryDepot::default();
        let object = part_name(1, 0, 1);
        depot.put(&object, encode(&object, &plan.symbols, pieces, &Shelf::default())).unwrap();
        let bundles = vec![object];
        let manifest = Manifest::first(1, "law".to_owned(), Vec::new(), Time::from_ns(0));
        let manifest = Manifest { epoch: Some(before), bundles, ..manifest };
        let manifest = warm_up(&plan, &depot, (&manifest, 2), &mut Told(&self.there)).unwrap();
        let from = Restored::of(&depot, &manifest, &Objects::default(), &plan.symbols).unwrap();
        let mut new = Run { there: self.there.clone(), ..Run::new(plan) };
        let all: &dyn Fn(SymbolId) -> bool = &|_| true;
        from.pieces("Bars").for_each(|(mut words, _)| new.bars.load(all, &mut words));
        from.pieces(&wide_name).for_each(|(mut words, _)| new.wide.load(all, &mut words));
        let name = name_of(&new.plan);
        from.pieces(&name).for_each(|(mut words, _)| new.indicators.load(all, &mut words));
        new
    }
}

/// Every bar that is there at the boundary.
struct Told<'a>(&'a BTreeMap<(Width, Time), Bar>);

impl Past for Told<'_> {
    fn tell(&mut self, seeds: &mut Seeds) -> Result<(), PastError> {
        let symbol = seeds.symbols().intern(b"A").unwrap();
        let widths: Vec<Width> = seeds.widths().collect();
        for ((width, _), bar) in self.0.iter().filter(|((width, _), _)| widths.contains(width)) {
            seeds.bar(*width, symbol, bar);
        }
        Ok(())
    }
}

fn apply<C>(stage: &mut impl Stage<C>, epoch: Epoch, mut out: Output) -> Vec<Shared> {
    while stage.next_epoch().is_some_and(|next| next <= epoch) {
        stage.apply(epoch, &mut out);
    }
    out.drain().collect()
}

fn rows_of(rows: &RowParcel) -> Vec<Row> {
    let Body::Floats { stride, values } = &rows.body else { return Vec::new() };
    let bits = |value: &f64| (!value.is_nan()).then(|| value.to_bits());
    let rows = rows.keys.iter().zip(values.chunks(*stride));
    let row = |(key, row): (&RowKey, &[f64])| {
        let change = (key.change, key.revision);
        (key.width, key.ts_open, change, row.iter().map(bits).collect())
    };
    rows.map(row).collect()
}

/// What the partition holds of the bars of these seconds.
fn partials(
    epoch: Epoch,
    trades: &BTreeMap<i64, i64>,
    seconds: impl Iterator<Item = i64>,
    symbols: &Symbols,
) -> Vec<PartialRow> {
    let symbol = symbols.intern(b"A").unwrap();
    let row = |second: i64| {
        let ts = Time::from_ns(second * Time::SECOND);
        let mut partial = Partial::new(ts);
        if let Some(price) = trades.get(&second) {
            partial.add(ts, Offset::from_raw(0), Price::from_raw(*price), Size::from_raw(1));
        }
        PartialRow { epoch, symbol, partition: 0, base: 0, partial }
    };
    seconds.map(row).collect()
}

/// Takes in rows that are handed out next: each says what became of what is known, and counts on.
fn take(known: &mut Known, said: &[Row]) {
    for (width, start, (change, revision), _) in said {
        let (times, is_there) = known.entry((*width, *start)).or_default();
        let was_there = std::mem::replace(is_there, *change != Change::Removed);
        assert_eq!(*change == Change::Added, !was_there);
        assert_eq!(*revision, *times);
        *times += 1;
    }
}

/// Rows of the warmed up stages against those of stages that were there from the start: what is `known` of them was
/// handed out before.
fn compare(always: &[Row], warmed: &[Row], known: &mut Known) -> Result<(), TestCaseError> {
    let values = |(width, start, (change, _), row): &Row| {
        (*width, *start, (*change != Change::Removed).then(|| row.clone()))
    };
    // What was never handed out is not taken back.
    let is_known = |(width, start, (change, _), _): &&Row| {
        *change != Change::Removed || known.get(&(*width, *start)).is_some_and(|known| known.1)
    };
    let expected: Vec<_> = always.iter().filter(is_known).map(values).collect();
    prop_assert_eq!(expected, warmed.iter().map(values).collect::<Vec<_>>());
    take(known, warmed);
    Ok(())
}

proptest! {
    #[test]
    fn what_returns_behind_a_warm_up_returns_to_all_indicators(
        turns in prop::collection::vec(
            (1i64..4, prop::collection::btree_map(0..HORIZON_S, prop::option::of(1i64..9), 0..4)),
            2..40,
        ),
        boundary in any::<prop::sample::Index>(),
        choices: (Choice, Choice),
        carry: bool,
    ) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let symbols = Symbols::default();
        let mut old = Run::new(plan(&choices.0, empty, &symbols));
        let mut always = Run::new(plan(&choices.1, empty, &symbols));
        let mut warmed = None;
        let (mut known, mut trades, mut epoch) = (Known::new(), BTreeMap::new(), 10);
        let boundary = boundary.index(turns.len());
        for (number, (step, changes)) in turns.iter().enumerate() {
            epoch += step;
            for (back, price) in changes {
                match price {
                    Some(price) => trades.insert(epoch - back, *price),
                    None => trades.remove(&(epoch - back)),
                };
            }
            let seconds = changes.keys().rev().map(|back| epoch - back);
            let rows = partials(epoch, &trades, seconds, &symbols);
            let expected = always.epoch(epoch, &rows);
            if number < boundary {
                take(&mut known, &old.epoch(epoch, &rows));
                continue;
            }
            let warmed = warmed.get_or_insert_with(|| {
                let before = epoch - step + 1;
                old.warmed_up(before, plan(&choices.1, empty, &symbols))
            });
            let said = warmed.epoch(epoch, &rows);
            compare(&expected, &said, &mut known)?;
            prop_assert_eq!(&warmed.there, &always.there);
        }
    }
}
