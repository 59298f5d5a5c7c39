//! Laws of the simulator: the seed decides, partitions share out one session, rates are kept.

use super::*;
use arrow_array::RecordBatch;
use market::{Side, TransType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, BTreeSet};

fn dirty() -> Simulation {
    Simulation {
        late_short: 0.05,
        late_long: 0.02,
        duplicate: 0.03,
        bad: 0.04,
        venues: 3,
        ..Simulation::new(40, 20_000, 11)
    }
}

/// All that a record says, as text that sorts.
fn say(ticks: impl Iterator<Item = Tick>) -> Vec<String> {
    ticks.map(|tick| format!("{tick:?}")).collect()
}

fn corrected() -> Simulation {
    Simulation { cancel: 0.04, replace: 0.06, ..dirty() }
}

#[test]
fn the_seed_decides() {
    let of = |simulation: &Simulation| say(Ticks::new(simulation, 0, 1).unwrap());
    for simulation in [dirty(), corrected()] {
        assert_eq!(of(&simulation), of(&simulation));
        assert_ne!(of(&simulation), of(&Simulation { seed: 12, ..simulation.clone() }));
    }
}

#[test]
fn without_corrections_a_file_is_what_it_was_before_there_were_any() {
    let mut bytes = Vec::new();
    let ticks = Ticks::new(&dirty(), 0, 1).unwrap();
    write_csv(ticks, &mut bytes, Columns::All, &mut |_| {}).unwrap();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!((bytes.len(), hash), (982_503, 0x2d95_8f08_d69b_1cb0));
}

/// The greatest time of a trade before each record, which is nearly that of its arrival.
fn clocked(ticks: &[Tick]) -> Vec<(i64, Tick)> {
    let mut greatest = i64::MIN;
    let mut clock = |tick: &Tick| {
        if tick.trans == TransType::New {
            greatest = greatest.max(tick.ts_event.ns());
        }
        (greatest, *tick)
    };
    ticks.iter().map(&mut clock).collect()
}

#[test]
fn corrections_come_at_their_rates_in_their_time_and_in_every_kind() {
    let simulation = Simulation { cancel: 0.04, replace: 0.08, ..Simulation::new(40, 100_000, 5) };
    let ticks: Vec<Tick> = Ticks::new(&simulation, 0, 1).unwrap().collect();
    // By trade: when it came, and what came for it, when.
    let mut trades: BTreeMap<_, i64> = BTreeMap::new();
    let mut corrections: BTreeMap<_, Vec<(i64, Tick)>> = BTreeMap::new();
    for (clock, tick) in clocked(&ticks) {
        let name = (tick.symbol, tick.trade_id);
        match tick.trans {
            TransType::New => assert_eq!(trades.insert(name, clock), None),
            _ => corrections.entry(name).or_default().push((clock, tick)),
        }
    }
    assert_eq!(trades.len(), 100_000);
    let ends = trades.values().copied().max().unwrap_or_default();
    // How many trades were corrected at first by what, and what else there was.
    let (mut first, mut kinds) = ([0; 3], BTreeMap::<&str, usize>::new());
    for (name, list) in &corrections {
        let Some(&traded) = trades.get(name) else {
            *kinds.entry("unknown").or_default() += list.len();
            assert!(list.iter().all(|(_, tick)| tick.trans == TransType::Cancel));
            continue;
        };
        first[list[0].1.trans as usize] += 1;
        let is_early = list[0].0 < traded;
        *kinds.entry("early").or_default() += usize::from(is_early);
        let mut before = (traded, None);
        for (clock, tick) in list.iter().filter(|_| !is_early) {
            let waited = (clock - before.0) as f64 / Time::SECOND as f64;
            let copy = before.1 == Some(*tick);
            // Behind the last trade the clock stands still.
            let is_timed = !copy && *clock < ends;
            assert!(!is_timed || (0.5..=60.5).contains(&waited), "{waited} s: {tick:?}");
            let kind = match (before.1.map(|tick: Tick| tick.trans), tick.trans) {
                _ if copy => "copy",
                (Some(TransType::Replace), TransType::Replace) => "replaced again",
                (Some(TransType::Replace), TransType::Cancel) => "replaced and cancelled",
                (None, _) => "first",
                other => panic!("{other:?}"),
            };
            *kinds.entry(kind).or_default() += 1;
            if !copy {
                before = (*clock, Some(*tick));
            }
            let says = tick.trans == TransType::Replace;
            assert_eq!(says, tick.ts_event != Time::default());
            assert_eq!((says, says), (tick.price.raw() > 0, tick.size.raw() > 0));
            assert_eq!(says, tick.side != Side::Unknown);
        }
    }
    assert!((3_700..4_300).contains(&first[1]), "{first:?} cancelled");
    assert!((7_500..8_500).contains(&first[2]), "{first:?} replaced");
    let within = |kind: &str, range: std::ops::Range<usize>| {
        assert!(range.contains(&kinds[kind]), "{kind}: {kinds:?}");
    };
    within("replaced again", 850..1_250);
    within("replaced and cancelled", 850..1_250);
    within("copy", 180..340);
    within("early", 50..120);
    within("unknown", 50..120);
}

#[test]
fn half_of_the_corrections_come_within_eight_seconds() {
    let simulation = Simulation { cancel: 0.1, ..Simulation::new(40, 100_000, 5) };
    let ticks: Vec<Tick> = Ticks::new(&simulation, 0, 1).unwrap().collect();
    let (mut trades, mut waits) = (BTreeMap::new(), Vec::new());
    for (clock, tick) in clocked(&ticks) {
        let name = (tick.symbol, tick.trade_id);
        match tick.trans {
            TransType::New => drop(trades.insert(name, clock)),
            _ => waits.extend(trades.remove(&name).map(|traded| clock - traded)),
        }
    }
    waits.sort_unstable();
    let at = |share: usize| waits[waits.len() * share / 100] / Time::SECOND;
    // The square root of 60, and those of its powers.
    assert_eq!((at(10), at(50), at(90)), (1, 7, 39), "of {}", waits.len());
}

#[test]
fn written_down() {
    // The bytes of a seed never change: stores and tests depend on them.
    let first: Vec<Tick> = Ticks::new(&Simulation::new(3, 1_000, 1), 0, 1).unwrap().collect();
    let shown =
        |k: usize| format!("{} {} {}", first[k].ts_event, first[k].price.raw(), first[k].trade_id);
    assert_eq!([shown(0), shown(999)], [WRITTEN_FIRST.to_owned(), WRITTEN_LAST.to_owned()]);
}

const WRITTEN_FIRST: &str = "2024-01-02T14:30:00.598347412Z 143890000000 1";
const WRITTEN_LAST: &str = "2024-01-02T20:59:59.340101525Z 482120000000 345";

#[test]
fn partitions_share_out_one_session() {
    for (simulation, partitions) in
        [(dirty(), 2), (dirty(), 3), (dirty(), 7), (corrected(), 2), (corrected(), 5)]
    {
        let mut whole = say(Ticks::new(&simulation, 0, 1).unwrap());
        let mut parts = Vec::new();
        let mut symbols = BTreeSet::new();
        for partition in 0..partitions {
            let ticks = Ticks::new(&simulation, partition, partitions).unwrap();
            let ticks: Vec<Tick> = ticks.collect();
            for symbol in ticks.iter().map(|tick| tick.symbol).collect::<BTreeSet<_>>() {
                assert!(symbols.insert(symbol), "symbol {symbol} in two partitions");
            }
            parts.extend(say(ticks.into_iter()));
        }
        parts.sort();
        whole.sort();
        assert_eq!(parts, whole);
    }
}

#[test]
fn rates_are_kept_and_all_trades_come() {
    let simulation = Simulation::new(40, 100_000, 5);
    let simulation = Simulation { late_long: 0.01, duplicate: 0.02, bad: 0.03, ..simulation };
    let ticks: Vec<Tick> = Ticks::new(&simulation, 0, 1).unwrap().collect();
    let good = ticks.iter().filter(|tick| tick.flaw.is_none());
    let names: BTreeSet<_> = good.clone().map(|tick| (tick.symbol, tick.trade_id)).collect();
    assert_eq!(names.len(), 100_000);
    let twice = good.clone().count() - 100_000;
    assert!((1_800..2_200).contains(&twice), "{twice} came twice");
    let bad = ticks.iter().filter(|tick| tick.flaw.is_some()).count();
    assert!((2_700..3_300).contains(&bad), "{bad} are bad");
    let (mut greatest, mut late) = (0, 0);
    let mut seen = BTreeSet::new();
    for tick in good.filter(|tick| seen.insert((tick.symbol, tick.trade_id))) {
        late += u32::from(tick.ts_event.ns() < greatest - 2 * Time::SECOND);
        greatest = greatest.max(tick.ts_event.ns());
        assert!(tick.price.raw() > 0 && tick.size.raw() > 0 && tick.side != Side::Unknown);
    }
    assert!((850..1_150).contains(&late), "{late} are more than 2 s late");
}

#[test]
fn ids_rise_by_symbol_in_event_time() {
    let mut ticks: Vec<Tick> = Ticks::new(&dirty(), 0, 1).unwrap().collect();
    ticks.retain(|tick| tick.flaw.is_none());
    ticks.sort_by_key(|tick| (tick.symbol, tick.trade_id));
    for pair in ticks.windows(2).filter(|pair| pair[0].symbol == pair[1].symbol) {
        assert!(pair[0].ts_event <= pair[1].ts_event);
    }
}

#[test]
fn a_csv_file_says_what_the_ticks_say() {
    let mut bytes = Vec::new();
    let ticks = Ticks::new(&dirty(), 0, 1).unwrap();
    let all: Vec<Tick> = Ticks::new(&dirty(), 0, 1).unwrap().collect();
    let written = write_csv(ticks, &mut bytes, Columns::All, &mut |_| {}).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(written.records, all.len() as u64);
    assert_eq!(text.lines().count(), all.len() + 1);
    for (line, tick) in text.lines().skip(1).zip(&all) {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields[0].is_empty(), tick.flaw == Some(Flaw::Symbol));
        assert_eq!(fields[1], tick.ts_event.ns().to_string());
        assert_eq!(fields[2], tick.price.decimal(market::Scale::NANO).to_string());
        assert_eq!(fields[3], tick.size.decimal(market::Scale::NANO).to_string());
    }
}

#[test]
fn a_file_of_the_required_columns_is_the_front_of_one_of_all() {
    let csv = |columns| {
        let (ticks, mut bytes) = (Ticks::new(&dirty(), 0, 1).unwrap(), Vec::new());
        write_csv(ticks, &mut bytes, columns, &mut |_| {}).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let front = |line: &str| line.split(',').take(4).collect::<Vec<_>>().join(",");
    let (all, required) = (csv(Columns::All), csv(Columns::Required));
    assert!(required.starts_with("symbol,ts_event,price,size\n"));
    assert!(required.lines().eq(all.lines().map(front)));

    let parquet = |columns| {
        let (ticks, mut bytes) = (Ticks::new(&dirty(), 0, 1).unwrap(), Vec::new());
        write_parquet(ticks, &mut bytes, columns, &mut |_| {}).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
        reader.build().unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    let (all, required) = (parquet(Columns::All), parquet(Columns::Required));
    let front = |batch: &RecordBatch| batch.project(&[0, 1, 2, 3]).unwrap().columns().to_vec();
    assert!(required.iter().all(|batch| batch.num_columns() == 4));
    assert!(required.iter().map(front).eq(all.iter().map(front)));
}

#[test]
fn what_cannot_be_is_refused() {
    let base = Simulation::new(1, 1, 1);
    let refused = [
        Simulation { symbols: 0, ..base.clone() },
        Simulation { trades: 0, ..base.clone() },
        Simulation { late_long: f64::NAN, ..base.clone() },
        Simulation { late_long: 0.7, late_short: 0.7, ..base.clone() },
        Simulation { cancel: 0.7, replace: 0.7, ..base.clone() },
        Simulation { cancel: -0.1, ..base.clone() },
        Simulation { trades: 10_000_000_000, replace: 0.5, ..base.clone() },
        Simulation { start: Time::from_ns(i64::MAX - 1), ..base.clone() },
        Simulation { trades: 10_000_000_000, late_long: 1.0, ..base.clone() },
    ];
    for simulation in refused {
        assert!(Ticks::new(&simulation, 0, 1).is_err(), "{simulation:?}");
    }
}
