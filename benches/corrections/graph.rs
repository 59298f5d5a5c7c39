//! The engine over a log in memory, and the CPU time of this process.

use super::data::{KeptFeed, LATENESS_NS};
use super::log::Log;
use dataflows::{Cluster, Course, Empty, Horizons, IndicatorPlan, Opener, Outcome, Plan, Watch};
use market::{EpochLength, Symbols, Time};
use operators::indicator::{Registry, Spec};
use rustix::time::{ClockId, clock_gettime};
use sources::{AdmissionConfig, AdmittedPartition, OutlierMode, OutlierRule};

/// No time of a log lies behind.
pub const STARTED_AT: i64 = 1_800_000_000 * Time::SECOND;

/// The CPU time of this process so far.
pub fn cpu_ns() -> i64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec * Time::SECOND + now.tv_nsec
}

/// W1's indicators.
pub fn specs() -> Vec<Spec> {
    let list = "sma(20),ema(12),ema(26),rsi(14),macd(12,26,9),bb(20,2)";
    Registry::standard().parse_list(list).expect("a list of known indicators")
}

/// Judges as W1 does, with a horizon of its own.
pub fn admission(horizon_ns: i64) -> AdmissionConfig {
    AdmissionConfig {
        horizon_ns,
        bar_ns: 60 * Time::SECOND,
        outliers: OutlierRule::new(OutlierMode::Off, 12.0, 5).expect("a rule"),
        ..AdmissionConfig::new(Time::from_ns(STARTED_AT))
    }
}

/// Runs W1 over a log, on one worker.
pub fn run(log: Log, config: AdmissionConfig, symbols: &Symbols) -> Outcome {
    let minute = "1min".parse().expect("a width");
    let plan = Plan {
        epoch: EpochLength::SECOND,
        lateness_ns: LATENESS_NS,
        horizons: Horizons::all(config.horizon_ns),
        course: Course::default(),
        pools: Vec::new(),
        widths: vec![minute],
        empty: Empty::Skip,
        indicators: vec![IndicatorPlan { widths: vec![minute], list: specs() }],
        symbols: symbols.clone(),
    };
    let (feed, symbols) = (KeptFeed::new(log.batches), symbols.clone());
    let open: Opener = Box::new(move |_| {
        let (feed, length) = (Box::new(feed), EpochLength::SECOND);
        let partition = AdmittedPartition::new(feed, config, length, symbols, 0);
        Ok(Box::new(partition) as Box<dyn market::Partition>)
    });
    let (cluster, watch) = (Cluster::local(1), Watch::default());
    let outcome = dataflows::run(plan, cluster, vec![open], vec![], watch, None);
    outcome.expect("the run ends well")
}
