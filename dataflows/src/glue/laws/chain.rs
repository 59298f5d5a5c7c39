//! Bars, roll-ups and indicators, one behind the other, and what was handed out of them.

use super::specs;
use crate::glue::{BarBook, Clockwork, Empty, Keyed, Lane, Parts, Upsert, Windowed};
use crate::tick::{PartialRow, Reach};
use market::{Bar, Change, Epoch, EpochLength, Price, RowKey, Scales, SymbolId, Time, Width};
use operators::Snapshot;
use operators::bar::RollUp;
use operators::indicator::IndicatorSet;
use std::collections::BTreeMap;

/// Seconds back of its partition's watermark that a trade can still be touched.
pub const HORIZON_S: i64 = 20;

/// The roll-ups: from which width to which. The last but one is wider than what is kept of what it rolls up from.
pub const WIDE: [(&str, &str); 3] = [("2s", "10s"), ("2s", "60s"), ("10s", "30s")];

/// The widths that have indicators.
const LANES: [&str; 2] = ["2s", "10s"];

/// A row: whether it is of floats, width, symbol and start.
pub type Name = (bool, Width, usize, Time);

pub fn width(text: &str) -> Width {
    text.parse().expect("a width")
}

/// A row of floats, bit for bit.
pub fn text_of(row: &[f64]) -> String {
    format!("{:x?}", row.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
}

/// A row as it was handed out.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    is_floats: bool,
    key: RowKey,
    row: String,
}

/// Bars of two seconds and what is made of them.
pub struct Chain {
    pub empty: Empty,
    pub bars: BarBook,
    wide: Vec<Windowed<RollUp, Bar>>,
    indicators: Keyed<IndicatorSet>,
    /// How often each row was handed out, and what is there.
    rows: BTreeMap<Name, (u32, Option<String>)>,
    /// Where the last epoch ends, and where the last interval that was carried to, in seconds.
    pub complete_s: i64,
    pub closed_s: i64,
}

impl Chain {
    pub fn new(empty: Empty) -> Self {
        let horizon_ns = HORIZON_S * Time::SECOND;
        let clock = Clockwork { epoch: EpochLength::SECOND, horizon_ns };
        let blank = Bar::carried(Time::from_ns(0), Price::from_raw(0));
        let wide = WIDE.map(|(from, to)| (width(from), width(to)));
        let wide = wide.map(|(from, to)| Windowed::new(to, from, clock, RollUp::new(to), blank));
        let stride = specs().iter().map(|spec| spec.outputs().len()).sum();
        let lane = |text| {
            let make = Box::new(move |_| IndicatorSet::new(&specs(), Scales::default()));
            Lane::new(width(text), stride, make)
        };
        Chain {
            empty,
            bars: BarBook::new(width("2s"), clock, empty),
            wide: wide.into(),
            indicators: Keyed::new(clock, LANES.map(lane).into()),
            rows: BTreeMap::new(),
            complete_s: 0,
            closed_s: i64::MIN,
        }
    }

    pub fn has_lane(&self, of: Width) -> bool {
        LANES.iter().any(|lane| width(lane) == of)
    }

    /// The rows that are there.
    pub fn there(&self) -> BTreeMap<Name, String> {
        let there = self.rows.iter().filter_map(|(name, (_, row))| Some((*name, row.clone()?)));
        there.collect()
    }

    /// Applies an epoch, whose end the log's head is so many seconds ahead of; what came of it.
    pub fn epoch(&mut self, epoch: Epoch, lag: i64, rows: &[PartialRow]) -> Vec<Said> {
        let until = (epoch + 1 - lag) / 2 * 2;
        self.bars.reach(&Reach { at: epoch, base: 0, until: Time::from_ns(until * Time::SECOND) });
        (self.complete_s, self.closed_s) =
            (epoch + 1, self.closed_s.max(until.min((epoch + 1) / 2 * 2)));
        rows.iter().for_each(|row| self.bars.apply(row));
        let mut said: Vec<(RowKey, Bar)> = Vec::new();
        self.bars.settle(epoch, |key, bar| said.push((key, *bar)));
        for (wide, (from, _)) in self.wide.iter_mut().zip(WIDE) {
            let of = said.iter().filter(|(key, _)| key.width == width(from));
            let inputs: Vec<_> = of.copied().collect();
            let mut say = |key: RowKey, bar: &Bar| said.push((key, *bar));
            for run in inputs.chunk_by(|a, b| a.0.symbol == b.0.symbol) {
                wide.apply(epoch, run[0].0.symbol, run.iter().map(upsert), &mut say);
            }
            wide.close(epoch, &mut say);
        }
        let mut floats: Vec<Said> = Vec::new();
        for run in said.chunk_by(|a, b| (a.0.symbol, a.0.width) == (b.0.symbol, b.0.width)) {
            let Some(lane) = self.indicators.lane(run[0].0.width) else { continue };
            let changes = run.iter().map(upsert);
            self.indicators.apply(lane, epoch, run[0].0.symbol, changes, |key, row| {
                assert!(!key.is_removed() || row.iter().all(|value| value.is_nan()));
                floats.push(Said { is_floats: true, key, row: text_of(row) });
            });
        }
        self.indicators.forget(epoch);
        let bar =
            |(key, bar): (RowKey, Bar)| Said { is_floats: false, key, row: format!("{bar:?}") };
        let mut said: Vec<Said> = said.into_iter().map(bar).chain(floats).collect();
        said.sort_by_key(name_of);
        self.note(epoch, &said);
        said
    }

    /// A row that is handed out differs from what was before, says what became of it, and counts on; in an
    /// epoch that happens once.
    fn note(&mut self, epoch: Epoch, said: &[Said]) {
        assert!(said.windows(2).all(|two| name_of(&two[0]) != name_of(&two[1])), "{said:?}");
        for said in said {
            let (times, there) = self.rows.entry(name_of(said)).or_default();
            let now = (!said.key.is_removed()).then(|| said.row.clone());
            let change = match (&there, &now) {
                (None, Some(_)) => Some(Change::Added),
                (Some(_), None) => Some(Change::Removed),
                (Some(before), Some(now)) if before != now => Some(Change::Revised),
                _ => None,
            };
            assert_eq!(Some(said.key.change), change, "{said:?} after {there:?}");
            assert_eq!((said.key.revision, said.key.epoch), (*times, epoch), "{said:?}");
            (*times, *there) = (*times + 1, now);
        }
    }

    /// What was read of `before` and later epochs is in no snapshot of those before.
    pub fn read_ahead(&mut self, before: Epoch) {
        if self.rows.is_empty() {
            return;
        }
        let snapshots = [before, before + 1_000].map(|epoch| {
            let until = EpochLength::SECOND.start(epoch);
            self.bars.reach(&Reach { at: before, base: 0, until });
            let mut snapshot = Snapshot::default();
            self.bars.snapshot(before, &|_| true, &mut snapshot);
            snapshot.words().to_vec()
        });
        assert_eq!(snapshots[0], snapshots[1]);
    }

    /// Taken apart into symbols of even and of odd number, and put together in new instances.
    pub fn cut(&mut self, before: Epoch, empty: Empty) -> Self {
        let rows = std::mem::take(&mut self.rows);
        let (complete_s, closed_s) = (self.complete_s, self.closed_s);
        let mut new = Chain { rows, complete_s, closed_s, ..Chain::new(empty) };
        for parity in [1, 0] {
            let of = move |symbol: SymbolId| symbol.index() % 2 == parity;
            // Chosen where it is written, and where it is read.
            let (written, read): (&dyn Fn(_) -> bool, &dyn Fn(_) -> bool) =
                if before % 2 == 0 { (&of, &|_| true) } else { (&|_| true, &of) };
            let mut part = Snapshot::default();
            let parts = |chain: &mut Chain, each: &mut dyn FnMut(&mut dyn Parts)| {
                each(&mut chain.bars);
                chain.wide.iter_mut().for_each(|wide| each(wide));
                each(&mut chain.indicators);
            };
            parts(self, &mut |it| it.snapshot(before, written, &mut part));
            let mut from = part.reader();
            parts(&mut new, &mut |it| it.restore(read, &mut from));
            assert!(from.rest().is_empty(), "every word is read back");
        }
        new
    }
}

fn upsert((key, bar): &(RowKey, Bar)) -> Upsert<'_, Bar> {
    match key.is_removed() {
        true => Upsert::Remove(key.ts_open),
        false => Upsert::Put(bar),
    }
}

fn name_of(said: &Said) -> Name {
    (said.is_floats, said.key.width, said.key.symbol.index(), said.key.ts_open)
}
