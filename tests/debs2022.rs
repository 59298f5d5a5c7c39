//! The example's answers against a computation of its own: on the real sample, whose few seconds give a
//! window a symbol, and on a simulated session with late trades, long enough for crossovers.

#[path = "../examples/debs2022/queries.rs"]
mod queries;

use flate2::read::GzDecoder;
use market::Time;
use queries::{Answer, Answers, COLUMNS, CONFIG, WHERE, registry};
use sources::{Simulation, Ticks};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use tidemill::Engine;
use tidemill::config::{Config, Override};

const SAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../shared/data/debs2022_sample/debs2022-gc-trading-day-08-11-21_sample100.csv.gz"
);
const WINDOW_NS: i64 = 300 * Time::SECOND;

type Answered = BTreeMap<(String, Time), Answer>;

fn engine(text: &str, flags: &[Override]) -> Answered {
    let answers = Answers::default();
    let config = Config::parse("test", &format!("{CONFIG}{text}"), flags, &registry()).unwrap();
    let summary = Engine::new(config).sink(Box::new(answers.clone())).run().unwrap();
    assert_eq!(summary.counts.refused_total(), 0, "{}", summary.text());
    answers.all()
}

/// Both queries over `(symbol, time, price)` in order of arrival, by sorting and looping.
fn plainly(mut trades: Vec<(String, i64, f64)>) -> Answered {
    trades.sort_by_key(|(_, time, _)| *time);
    let mut closes: BTreeMap<(String, i64), f64> = BTreeMap::new();
    for (symbol, time, price) in trades {
        closes.insert((symbol, time.div_euclid(WINDOW_NS) * WINDOW_NS), price);
    }
    let mut before: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    let answer = |((symbol, start), close): ((String, i64), f64)| {
        let [old_fast, old_slow] = before.get(&symbol).copied().unwrap_or([0.0, 0.0]);
        let fast = close * (2.0 / 39.0) + old_fast * (1.0 - 2.0 / 39.0);
        let slow = close * (2.0 / 101.0) + old_slow * (1.0 - 2.0 / 101.0);
        before.insert(symbol.clone(), [fast, slow]);
        let advice = match (old_fast <= old_slow, old_fast >= old_slow) {
            (true, _) if fast > slow => 1.0,
            (_, true) if fast < slow => -1.0,
            _ => 0.0,
        };
        ((symbol, Time::from_ns(start)), Answer { ema_38: fast, ema_100: slow, advice })
    };
    closes.into_iter().map(answer).collect()
}

#[test]
fn the_sample_is_answered_as_by_hand() {
    let key = |path, value: &str| Override { flag: "test", path, value: value.into() };
    let files = toml::Value::Array(vec![SAMPLE.into()]);
    let given = engine(
        "",
        &[
            Override { flag: "test", path: &["source", "files"], value: files },
            key(&["source", "columns"], COLUMNS),
            key(&["source", "where"], WHERE),
            key(&["source", "comment"], "#"),
            key(&["source", "order"], "log"),
        ],
    );
    let sample = std::fs::File::open(SAMPLE).expect("the shared data lies beside the checkout");
    let lines = BufReader::new(GzDecoder::new(sample)).lines().map(Result::unwrap);
    let rows = lines.filter(|line| !line.starts_with('#')).skip(1);
    let trades = rows.filter_map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let (id, last, time) = (cells[0], cells[21], cells[23]);
        if last.is_empty() {
            return None;
        }
        // 8 November 2021 is winter in Berlin: an hour ahead of UTC.
        let [h, m, s] =
            [&time[..2], &time[3..5], &time[6..]].map(|part| part.parse::<f64>().unwrap());
        assert_eq!(cells[2], "08-11-2021");
        let day = Time::parse("2021-11-08T00:00:00+01:00").unwrap().ns();
        let ns = day + ((h * 3600.0 + m * 60.0 + s) * 1e3).round() as i64 * 1_000_000;
        Some((id.to_owned(), ns, last.parse::<f64>().unwrap()))
    });
    let trades: Vec<_> = trades.collect();
    assert_eq!(trades.len(), 147);
    assert_eq!(given, plainly(trades));
}

#[test]
fn a_session_with_crossovers_and_late_trades_is_too() {
    let session = "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 60000, seed = 9, \
        session = \"6d\", late = 0.05 }\n";
    let given = engine(session, &[]);
    let clean = Simulation::new(12, 60_000, 9);
    let simulation = Simulation { session_ns: 6 * Time::DAY, ..clean.late(0.05) };
    let ticks = Ticks::new(&simulation, 0, 1).unwrap();
    let names = ticks.names().to_vec();
    let mut trades = Vec::new();
    for tick in ticks {
        let price = tick.price.decimal(market::Scale::NANO).to_f64();
        trades.push((names[tick.symbol as usize].to_string(), tick.ts_event.ns(), price));
    }
    let wanted = plainly(trades);
    assert_eq!(given, wanted);
    let advised = |side: f64| wanted.values().filter(|answer| answer.advice == side).count();
    assert!(advised(1.0) > 12 && advised(-1.0) > 0, "{} {}", advised(1.0), advised(-1.0));
}
