//! What corrections cost: a bust 1, 10 and 100 bars back beside a loop over its session; W1 with so many of its trades
//! corrected beside W1 as it is, and that beside a run that keeps no trade; the memory of a trade that is kept.
//!
//! `cargo bench --bench corrections [-- TRADES]`. Every round runs all variants one after the other, so that a slow moment
//! of the machine meets them all. What a correction costs is what its run takes more than the one without, round by round,
//! by their number; medians of the rounds are printed. A bust takes the last trade of a bar away, which every indicator
//! from there on follows: a trade in the middle of a bar is cheaper.

#[path = "../w1/data.rs"]
mod data;
mod graph;
mod held;
mod log;
#[path = "../w1/plain.rs"]
mod plain;

use dataflows::Outcome;
use graph::{admission, cpu_ns, specs};
use log::{Log, Tape};
use market::{SymbolId, Symbols, Time, Trades};
use sources::AdmissionConfig;
use std::hint::black_box;

const SYMBOLS: usize = 1_000;
const ROUNDS: usize = 5;
/// That of W1.
const HORIZON_NS: i64 = 900 * Time::SECOND;
/// One that holds the trades of a hundred bars.
const FAR_NS: i64 = 7_200 * Time::SECOND;
const BUSTS: usize = 20_000;
const BACK: [i64; 3] = [1, 10, 100];
/// Corrected trades of a million.
const SHARES: [u64; 2] = [10_000, 50_000];
/// Sessions that the loop is measured over.
const SESSIONS: usize = 100;

/// Of one variant: its CPU times, and what it did, which is the same in every round.
#[derive(Default)]
struct Measured {
    times: Vec<i64>,
    corrections: u64,
    revised: u64,
}

impl Measured {
    fn take(&mut self, time: i64, corrections: u64, outcome: &Outcome) {
        let counts = &outcome.counts;
        let used = counts.cancelled + counts.replaced;
        assert_eq!((counts.refused_total(), used), (0, corrections), "all corrections are used");
        self.times.push(time);
        self.corrections = corrections;
        self.revised = outcome.tables.iter().map(|table| table.revised).sum();
    }

    /// Nanoseconds a round.
    fn time(&self) -> f64 {
        median(self.times.iter().map(|&time| time as f64).collect())
    }

    /// Nanoseconds that a round takes more than one of `other` does.
    fn beyond(&self, other: &Measured) -> f64 {
        let pairs = self.times.iter().zip(&other.times);
        median(pairs.map(|(own, other)| (own - other) as f64).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// All that is measured, one field a variant.
#[derive(Default)]
struct Bench {
    /// The loop over one symbol's session.
    session: Measured,
    /// The loop over all.
    plain: Measured,
    /// W1 with ids and venues, no trade kept.
    bare: Measured,
    /// The same, trades kept.
    kept: Measured,
    corrected: [Measured; SHARES.len()],
    /// Trades kept for as long as a hundred bars.
    far: Measured,
    busted: [Measured; BACK.len()],
}

impl Bench {
    fn round(&mut self, trades: &[Trades], symbols: &Symbols, sessions: &[Vec<Trades>]) {
        let tape = Tape::new(trades, symbols);
        let run = |log: Log, config: AdmissionConfig, to: &mut Measured| {
            let corrections = log.corrections;
            let before = cpu_ns();
            let outcome = black_box(graph::run(log, config, symbols));
            to.take(cpu_ns() - before, corrections, &outcome);
            data::give_back();
        };
        timed(&mut self.plain, || looped(trades, SYMBOLS));
        let each = || sessions.iter().for_each(|session| looped(session, 1));
        timed(&mut self.session, each);
        let near = admission(HORIZON_NS);
        let bare = AdmissionConfig { keeps_trades: false, ..near.clone() };
        run(tape.plain(), bare, &mut self.bare);
        run(tape.plain(), near.clone(), &mut self.kept);
        for (share, to) in SHARES.into_iter().zip(&mut self.corrected) {
            run(tape.corrected(share), near.clone(), to);
        }
        run(tape.plain(), admission(FAR_NS), &mut self.far);
        let ids: Vec<SymbolId> = (0..SYMBOLS as u32).map(SymbolId::from_index).collect();
        for (back, to) in BACK.into_iter().zip(&mut self.busted) {
            run(tape.busted(back, BUSTS, &ids), admission(FAR_NS), to);
        }
    }
}

fn timed(to: &mut Measured, work: impl FnOnce()) {
    let before = cpu_ns();
    work();
    to.times.push(cpu_ns() - before);
}

fn looped(batches: &[Trades], symbols: usize) {
    black_box(plain::run(batches, symbols, graph::STARTED_AT, &specs()));
}

/// The trades of one symbol, as a log of its own.
fn session(batches: &[Trades], symbol: SymbolId) -> Vec<Trades> {
    let mut own = Trades::default();
    for batch in batches {
        for row in (0..batch.len()).filter(|&row| batch.symbol[row] == symbol) {
            own.push(&market::Trade { symbol: SymbolId::from_index(0), ..batch.row(row) }, symbol);
        }
    }
    vec![own]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == held::MEASURE) {
        return held::measure(&words[1..]);
    }
    let count: usize = words.iter().find_map(|text| text.parse().ok()).unwrap_or(5_000_000);
    let symbols = Symbols::default();
    let trades = data::trades(count, SYMBOLS, &symbols);
    let of = |number: usize| SymbolId::from_index((number * SYMBOLS / SESSIONS) as u32);
    let sessions: Vec<_> = (0..SESSIONS).map(|number| session(&trades, of(number))).collect();
    let mut bench = Bench::default();
    for _ in 0..ROUNDS {
        bench.round(&trades, &symbols, &sessions);
    }
    println!("{count} trades, {SYMBOLS} symbols, median of {ROUNDS} rounds, CPU time");
    bench.print_busts();
    bench.print_shares(count as f64);
    print_memory(count);
}

impl Bench {
    /// What one bust costs, beside its session from its trades by the loop.
    fn print_busts(&self) {
        let session = self.session.time() / SESSIONS as f64 / 1e3;
        println!("\n{:<36} {:>9} {:>13} {:>15}", "", "us", "rows revised", "x the session");
        println!("{:<36} {session:>9.2}", "loop, one symbol's session");
        for (back, busted) in BACK.into_iter().zip(&self.busted) {
            let busts = busted.corrections as f64;
            let cost = busted.beyond(&self.far) / busts / 1e3;
            let rows = (busted.revised - self.far.revised) as f64 / busts;
            let name = format!("one bust, {back} bars back");
            println!("{name:<36} {cost:>9.2} {rows:>13.1} {:>15.2}", cost / session);
            let said = format!("{cost:.1} us, {session:.1} us; {rows:.1} rows revised");
            figure(&name, "loop over its symbol's session", cost / session, &said);
        }
    }

    /// What many corrections cost, and what it costs that there could be some.
    fn print_shares(&self, count: f64) {
        let of = |name: &str, measured: &Measured, more: &str| {
            println!("{name:<36} {:>9.2} {more}", measured.time() / count);
        };
        println!("\n{:<36} {:>9} {:>13} {:>15}", "", "ns/trade", "us/correction", "us/revised row");
        of("loop, bars and indicators", &self.plain, "");
        of("W1 with ids, no trade kept", &self.bare, "");
        of("W1 with ids", &self.kept, "");
        let ratio = 1.0 + self.kept.beyond(&self.bare) / self.bare.time();
        let ns = |measured: &Measured| measured.time() / count;
        let said = format!("{:.1} ns, {:.1} ns a trade", ns(&self.kept), ns(&self.bare));
        figure("W1 with ids, trades kept", "no trade kept", ratio, &said);
        for (share, corrected) in SHARES.into_iter().zip(&self.corrected) {
            let name = format!("W1 with ids, {}% corrected", share / 10_000);
            let beyond = corrected.beyond(&self.kept) / 1e3;
            let each = beyond / corrected.corrections as f64;
            let row = beyond / (corrected.revised - self.kept.revised) as f64;
            of(&name, corrected, &format!("{each:>13.2} {row:>15.2}"));
            let said = format!(
                "{:.1} ns a trade; {each:.2} us a correction, {row:.2} us a revised row",
                ns(corrected)
            );
            let ratio = 1.0 + beyond * 1e3 / self.kept.time();
            figure(&name, "none corrected", ratio, &said);
        }
    }
}

/// What the horizon holds of a trade, beside the columns alone.
fn print_memory(count: usize) {
    println!("\n{:<36} {:>9} {:>13} {:>15}", "bytes a trade", "columns", "held", "held, listed");
    for (has_ids, name, columns) in [(true, "with ids and venue", 56.0), (false, "without", 36.0)] {
        let (kept, none) = (held::ask(count, has_ids, true), held::ask(count, has_ids, false));
        let (read, listed) = (kept.read - none.read, kept.listed - none.listed);
        println!("{name:<36} {columns:>9.1} {read:>13.1} {listed:>15.1}");
        let said = format!("{read:.1} bytes, {listed:.1} once all were asked for");
        figure(&format!("memory of a trade kept, {name}"), "its columns", read / columns, &said);
        if has_ids {
            println!("{:<36} {:>9} {:>13.1}", "ids, beside it", "", none.read);
        }
    }
}

/// A line for `scripts/bench`.
fn figure(name: &str, beside: &str, ratio: f64, said: &str) {
    println!("figure\tcorrections: {name}\t{beside}\t{ratio:.2}\t\t{said}");
}
