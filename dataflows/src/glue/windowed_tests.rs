//! Laws of intervals: whatever becomes of their inputs, each is what those make that are there, though the horizon
//! is a fraction of it and most of its inputs are forgotten.

use super::*;
use market::{Bar, EpochLength, Price, Symbols};
use operators::Kernel;
use operators::bar::RollUp;
use proptest::prelude::*;

const HORIZON_S: i64 = 5;
const WIDTH_S: i64 = 60;

/// Bars of a minute from bars of a second.
type Minutes = Windowed<RollUp, Bar>;

fn minutes() -> Minutes {
    let clock = Clockwork { epoch: EpochLength::SECOND, horizon_ns: HORIZON_S * Time::SECOND };
    let [wide, narrow] = ["1min", "1s"].map(|text| text.parse().expect("a width"));
    Windowed::new(wide, narrow, clock, RollUp::new(wide), bar(0, 0, 0))
}

fn bar(second: i64, price: i64, trade_count: u64) -> Bar {
    let carried = Bar::carried(Time::from_ns(second * Time::SECOND), Price::from_raw(price));
    Bar { trade_count, volume: i128::from(trade_count), ..carried }
}

fn symbol() -> SymbolId {
    Symbols::default().intern(b"A").expect("a name")
}

/// What was handed out, by start in seconds: how often, and what is there.
type Said = BTreeMap<i64, (u32, Option<Bar>)>;

/// What is there.
fn there(said: &Said) -> BTreeMap<i64, Bar> {
    said.iter().filter_map(|(start, (_, there))| Some((*start, (*there)?))).collect()
}

/// Takes in what is said next: it differs from what was said before, says how, and counts on.
fn take(said: &mut Said, key: RowKey, bar: &Bar) {
    let (times, before) = said.entry(key.ts_open.ns() / Time::SECOND).or_default();
    assert_eq!((key.revision, bar.ts_open), (*times, key.ts_open));
    let now = (!key.is_removed()).then_some(*bar);
    assert_eq!(Some(key.change), change_of(before.as_ref(), now.as_ref()));
    (*times, *before) = (*times + 1, now);
}

/// Changes of a second that is complete: by second of the input, what it is.
fn epoch(
    minutes: &mut Minutes,
    epoch: Epoch,
    changes: &BTreeMap<i64, Option<Bar>>,
    said: &mut Said,
) {
    let upserts = changes.iter().map(|(second, bar)| match bar {
        Some(bar) => Upsert::Put(bar),
        None => Upsert::Remove(Time::from_ns(second * Time::SECOND)),
    });
    if !changes.is_empty() {
        minutes.apply(epoch, symbol(), upserts, |key, bar| take(said, key, bar));
    }
    minutes.close(epoch, |key, bar| take(said, key, bar));
}

/// The bars of minutes that are over by `end`, from those of seconds.
fn clean(inputs: &BTreeMap<i64, Bar>, end: i64) -> BTreeMap<i64, Bar> {
    let mut kernel = RollUp::new("1min".parse().expect("a width"));
    let mut wide = bar(0, 0, 0);
    let step = |narrow: &Bar| {
        kernel.update(narrow, &mut wide);
        (wide.ts_open.ns() / Time::SECOND, wide)
    };
    let mut all: BTreeMap<i64, Bar> = inputs.values().map(step).collect();
    all.retain(|start, _| start + WIDTH_S <= end);
    all
}

/// The same in a new instance.
fn cut(minutes: &mut Minutes, before: Epoch) -> Minutes {
    let mut words = Snapshot::default();
    minutes.snapshot(before, &|_| true, &mut words);
    let (mut new, mut from) = (self::minutes(), words.reader());
    new.restore(&|_| true, &mut from);
    assert!(from.rest().is_empty());
    new
}

/// Seconds until the next changes, and those: seconds back, price and trades; whether all is cut behind them.
type Turn = (i64, Vec<(i64, Option<(i64, u64)>)>, bool);

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let input = prop_oneof![3 => (1i64..20, 0u64..3).prop_map(Some), 2 => Just(None)];
    let changes = prop::collection::vec((0..=HORIZON_S, input), 0..3);
    let step = prop_oneof![3 => 1i64..4, 1 => 1i64..50];
    prop::collection::vec((step, changes, prop::bool::weighted(0.1)), 1..120)
}

proptest! {
    #[test]
    fn an_interval_is_what_its_inputs_make_that_are_there(turns in turns()) {
        let (mut minutes, mut said, mut inputs, mut now) =
            (minutes(), Said::new(), BTreeMap::new(), 0);
        for (step, changes, is_cut) in turns {
            // Epochs between have no changes; intervals end in them.
            for quiet in now + 1..now + step {
                epoch(&mut minutes, quiet, &BTreeMap::new(), &mut said);
                prop_assert_eq!(there(&said), clean(&inputs, quiet + 1));
            }
            now += step;
            // A bar of one second can change while a part of it lies within the horizon.
            let changes: BTreeMap<i64, Option<Bar>> = changes
                .into_iter()
                .map(|(back, input)| (now - back, input))
                .map(|(at, input)| (at, input.map(|(price, count)| bar(at, price, count))))
                .collect();
            inputs.extend(changes.iter().filter_map(|(at, bar)| Some((*at, (*bar)?))));
            inputs.retain(|at, _| changes.get(at) != Some(&None));
            epoch(&mut minutes, now, &changes, &mut said);
            prop_assert_eq!(there(&said), clean(&inputs, now + 1));
            if is_cut {
                minutes = cut(&mut minutes, now + 1);
            }
        }
    }
}

#[test]
fn an_interval_falls_back_to_inputs_that_were_forgotten_long_ago() {
    for is_cut in [false, true] {
        let (mut minutes, mut said) = (minutes(), Said::new());
        let one = |at: i64, input: Option<Bar>| BTreeMap::from([(at, input)]);
        epoch(&mut minutes, 3, &one(3, Some(bar(3, 7, 2))), &mut said);
        epoch(&mut minutes, 57, &one(57, Some(bar(57, 9, 1))), &mut said);
        epoch(&mut minutes, 59, &BTreeMap::new(), &mut said);
        if is_cut {
            minutes = cut(&mut minutes, 60);
        }
        assert_eq!(there(&said)[&0].close.raw(), 9);
        epoch(&mut minutes, 61, &one(57, None), &mut said);
        assert_eq!(said[&0], (2, Some(Bar { ts_open: Time::from_ns(0), ..bar(0, 7, 2) })));
    }
}

#[test]
fn an_interval_without_inputs_is_there_no_more_until_one_returns() {
    let (mut minutes, mut said) = (minutes(), Said::new());
    let mut at_59 = |at: Epoch, input: Option<Bar>| {
        epoch(&mut minutes, at, &BTreeMap::from([(59, input)]), &mut said);
        said.get(&0).copied()
    };
    let nine = Bar { ts_open: Time::from_ns(0), ..bar(0, 9, 1) };
    assert_eq!(at_59(59, Some(bar(59, 9, 1))), Some((1, Some(nine))));
    assert_eq!(at_59(60, None), Some((2, None)));
    assert_eq!(at_59(61, None), Some((2, None)));
    assert_eq!(at_59(62, Some(bar(59, 9, 1))), Some((3, Some(nine))));
}
