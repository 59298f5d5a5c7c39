//! Times that would poison or stall an engine, and do not.

use super::log::{Feeding, HORIZON, Log, Made, Record, START, run};
use market::{Reason, Time};
use sinks::{MemoryKey, MemoryRow};

/// A trade a second of symbol `symbol`, `count` of them from second `from` on.
fn steady(symbol: usize, from: i64, count: i64) -> Vec<Record> {
    let trade = |second: i64| Record {
        ts: START + (from + second) * Time::SECOND,
        symbol,
        price: 100 + second % 7,
        size: 1 + second % 3,
        id: Some((from + second) as u64),
        ..Record::default()
    };
    (0..count).map(trade).collect()
}

fn made(logs: &[Vec<Record>]) -> Made {
    let logs: Vec<Log> = logs.iter().map(|records| Log(records.clone())).collect();
    run(&logs, 2, false, &Feeding::default())
}

fn with(records: &[Record], at: usize, ts: i64, heartbeat: bool) -> Vec<Record> {
    let mut with = records.to_vec();
    with.insert(at, Record { ts, price: 100, size: 1, heartbeat, ..Record::default() });
    with
}

/// Refused for `reason`, and nothing else changed by it.
fn check(what: &str, clean: &[Record], bad: Vec<Record>, reason: Reason) {
    let (clean, bad) = (made(&[clean.to_vec()]), made(&[bad]));
    assert_eq!(clean.final_values(), bad.final_values(), "{what}");
    assert_eq!(bad.outcome.counts.refused[reason as usize], 1, "{what}");
    assert_eq!(bad.outcome.counts.refused_total(), 1, "{what}");
    assert_eq!(bad.memory.memory().letters.len(), 1, "{what}");
}

const YEAR_2099: i64 = 4_070_908_800 * Time::SECOND;

#[test]
fn one_bad_time_poisons_nothing() {
    let clean = steady(0, 0, 400);
    check("a record of 2099", &clean, with(&clean, 200, YEAR_2099, false), Reason::Future);
    check("2099 first", &clean, with(&clean, 0, YEAR_2099, false), Reason::Future);
    check("2099 last", &clean, with(&clean, 400, YEAR_2099, false), Reason::Future);
    let ms_as_ns = START / 1_000_000;
    check(
        "milliseconds read as nanoseconds",
        &clean,
        with(&clean, 200, ms_as_ns, false),
        Reason::Horizon,
    );
    let jump = START + 5 * 3_600 * Time::SECOND;
    check("a jump of hours", &clean, with(&clean, 200, jump, false), Reason::Jump);
    let beyond = START + 199 * Time::SECOND - 2 * Time::SECOND - HORIZON - 1;
    check("beyond the horizon", &clean, with(&clean, 200, beyond, false), Reason::Horizon);
    let (least, greatest) = (Time::LEAST.ns(), Time::GREATEST.ns());
    for ts in [i64::MIN, i64::MIN + 1, least - 1, greatest + 1, i64::MAX] {
        for at in [0, 200, 400] {
            check(&format!("{ts} at {at}"), &clean, with(&clean, at, ts, false), Reason::Time);
        }
    }
    check("the greatest time", &clean, with(&clean, 200, greatest, false), Reason::Future);
    check("the least time", &clean, with(&clean, 200, least, false), Reason::Horizon);
}

/// All changes of a log that begins at midnight of `day`, told from then on.
fn changes_from(day: Time, carry: bool) -> Vec<String> {
    let late = |k: i64| if k % 5 == 4 { 30.min(k) } else { 0 };
    let trade = |k: i64| Record {
        ts: day.ns() + (k - late(k)) * Time::SECOND,
        symbol: 0,
        price: 100 + k % 7,
        size: 1 + k % 3,
        ..Record::default()
    };
    let records: Vec<Record> = (0..400).map(trade).collect();
    let feeding = Feeding { started_at: Time::GREATEST, ..Feeding::default() };
    let made = run(&[Log(records)], 2, carry, &feeding);
    assert_eq!((made.outcome.counts.used, made.outcome.counts.late > 0), (400, true));
    let memory = made.memory.memory();
    let since = |time: Time| time.ns() - day.ns();
    let bars = &memory.tables["aggregated_data"].changes;
    let text = |(key, row): &(MemoryKey, MemoryRow)| {
        let (known_at, epoch) = (since(row.known_at), row.epoch - day.ns() / Time::SECOND);
        format!(
            "{} {} revision {} known {known_at} epoch {epoch}",
            key.1,
            since(key.2),
            row.revision
        )
    };
    bars.iter().map(text).collect()
}

/// No bound saturates: beside the first and the last time that a record can have, all is as elsewhere.
#[test]
fn the_ends_of_time_are_times_like_others() {
    for carry in [false, true] {
        let elsewhere = changes_from(Time::from_ns(19_000 * Time::DAY), carry);
        assert!(elsewhere.len() > 60, "{}", elsewhere.len());
        for day in [Time::LEAST.day(), Time::GREATEST.day()] {
            let changes = changes_from(Time::from_ns(day * Time::DAY), carry);
            assert!(changes == elsewhere, "day {day}: {changes:#?}");
        }
    }
}

#[test]
fn a_heartbeat_of_the_far_future_poisons_nothing() {
    let clean = steady(0, 0, 400);
    let (bad, clean) = (made(&[with(&clean, 200, YEAR_2099, true)]), made(&[clean]));
    assert_eq!(bad.final_values(), clean.final_values());
    assert_eq!(bad.outcome.counts.used, 400);
}

#[test]
fn milliseconds_read_as_nanoseconds_at_the_start_hold_nothing_up() {
    let clean = steady(0, 0, 400);
    let bad = made(&[with(&clean, 0, START / 1_000_000, false)]);
    assert_eq!(bad.outcome.counts.used, 401, "the first record has nothing to be judged by");
    let all = bad.final_values();
    let clean = made(&[clean]).final_values();
    // Times of 2023 have nineteen digits, those of 1970 fewer.
    let of_2023 = |line: &&str| line.split(' ').nth(2).is_some_and(|ts| ts.len() == 19);
    let bars =
        |text: &str| text.lines().filter(of_2023).filter(|l| l.starts_with("S0 10s")).count();
    assert_eq!(bars(&all), bars(&clean));
}

#[test]
fn an_overnight_gap_goes_through() {
    let mut records = steady(0, 0, 100);
    records.extend(steady(0, 18 * 3_600, 100));
    let made = made(&[records]);
    assert_eq!(made.outcome.counts.used, 200);
    assert_eq!(made.outcome.counts.refused_total(), 0);
}

#[test]
fn an_empty_partition_and_a_long_one_stop_nothing() {
    let short = steady(0, 0, 100);
    let long: Vec<Record> = steady(1, 0, 10_000);
    let alone = made(&[short.clone(), long.clone()]);
    let beside = made(&[vec![], short, vec![], long]);
    assert_eq!(alone.final_values(), beside.final_values());
    assert_eq!(beside.outcome.counts.used, 10_100);
    assert!(beside.outcome.complete);
}
