//! Stages hand on what became of rows: a bar that is taken back leaves the roll-ups and the indicators made of it,
//! and returns to them.

use super::*;
use crate::glue::Empty;
use crate::graph::IndicatorPlan;
use crate::graph::plan::{BARS, INDICATORS};
use crate::tick::{Course, Horizons, PartialRow};
use market::{Body, Change, EpochLength, Offset, Price, Size, Time};
use operators::bar::Partial;
use operators::indicator::Registry;

/// What a stage hands out: width in seconds, start in seconds, revision and what became of it.
type Said = (i64, i64, u32, Change);

fn plan() -> Plan {
    let [narrow, wide] = ["1s", "5s"].map(|text| text.parse().unwrap());
    let list = Registry::standard().parse_list("sma(1)").unwrap();
    Plan {
        epoch: EpochLength::SECOND,
        lateness_ns: 0,
        horizons: Horizons::all(60 * Time::SECOND),
        course: Course::default(),
        pools: Vec::new(),
        widths: vec![narrow, wide],
        empty: Empty::Skip,
        indicators: vec![IndicatorPlan { widths: vec![narrow, wide], list }],
        symbols: Symbols::default(),
    }
}

/// What partition 0 holds of the bar of a second: a trade, or nothing.
fn partials(plan: &Plan, epoch: Epoch, second: i64, has_trade: bool) -> Partials {
    let ts = Time::from_ns(second * Time::SECOND);
    let mut partial = Partial::new(ts);
    if has_trade {
        partial.add(ts, Offset::from_raw(0), Price::from_raw(second), Size::from_raw(1));
    }
    let symbol = plan.symbols.intern(b"A").unwrap();
    let rows = vec![PartialRow { epoch, symbol, partition: 0, base: 0, partial }];
    Partials { rows, ..Partials::default() }
}

/// Applies an epoch, and hands out what comes of it.
fn apply<C>(stage: &mut impl Stage<C>, epoch: Epoch, out: &mut Output) -> Vec<Shared> {
    if stage.next_epoch() == Some(epoch) {
        stage.apply(epoch, out);
    }
    out.drain().collect()
}

fn said(parcels: &[Shared]) -> Vec<Said> {
    let mut said = Vec::new();
    for rows in parcels.iter().filter_map(Shared::rows) {
        for (at, key) in rows.keys.iter().enumerate() {
            let is_blank = match &rows.body {
                Body::Bars(bars) => bars[at] == Bar::carried(key.ts_open, Price::from_raw(0)),
                Body::Floats { values, .. } => values[at].is_nan(),
            };
            assert_eq!(key.is_removed(), is_blank, "{key:?}");
            let [width, start] = [key.width.ns(), key.ts_open.ns()].map(|ns| ns / Time::SECOND);
            said.push((width, start, key.revision, key.change));
        }
    }
    said.sort_by_key(|(width, start, ..)| (*width, *start));
    said
}

#[test]
fn a_bar_that_is_taken_back_leaves_all_that_was_made_of_it() {
    use Change::{Added, Removed, Revised};
    let plan = plan();
    let [narrow, wide] = [plan.widths[0], plan.widths[1]];
    let (mut bars, mut rolled) = (Bars::new(&plan), RollUps::new(&plan, narrow, wide));
    let mut indicators = Indicators::new(&plan);
    let mut rows = Output::new(BARS, 0, &plan.symbols);
    let mut floats = Output::new(INDICATORS, 1, &plan.symbols);
    let mut epoch = |epoch, second, has_trade| {
        bars.receive(partials(&plan, epoch, second, has_trade));
        let bases = apply(&mut bars, epoch, &mut rows);
        bases.iter().for_each(|parcel| rolled.receive(parcel.clone()));
        let all = [bases, apply(&mut rolled, epoch, &mut rows)].concat();
        all.iter().for_each(|parcel| indicators.receive(parcel.clone()));
        let (all, made) = (said(&all), said(&apply(&mut indicators, epoch, &mut floats)));
        assert_eq!(all, made, "every bar has its row of indicators");
        all
    };
    assert_eq!(epoch(1, 1, true), [(1, 1, 0, Added)]);
    assert_eq!(epoch(4, 3, true), [(1, 3, 0, Added), (5, 0, 0, Added)]);
    assert_eq!(epoch(6, 3, false), [(1, 3, 1, Removed), (5, 0, 1, Revised)]);
    assert_eq!(epoch(7, 1, false), [(1, 1, 1, Removed), (5, 0, 2, Removed)]);
    assert_eq!(epoch(8, 1, false), []);
    assert_eq!(epoch(9, 1, true), [(1, 1, 2, Added), (5, 0, 3, Added)]);
}
