//! `tidemill demo`: a simulated session of the 12 instruments through the real graph into a store, a
//! line with a small chart for each, and a report.

use super::Failure;
use super::args::DemoArgs;
use super::output::{print, print_json};
use super::run::{start, verdict};
use crate::config::{Config, Override};
use crate::engine::{Engine, Summary, line};
use crate::report::Collector;
use operators::indicator::Registry;
use std::path::{Path, PathBuf};

/// Late, duplicate and bad records among clean ones; every indicator the report shows.
const CONFIG: &str = r#"
[[source]]
name = "demo"
kind = "simulator"
simulator = { seed = 20240102, late = 0.04, duplicate = 0.002, bad = 0.001 }
[[bars]]
widths = ["1min", "5min", "15min", "1h"]
[[indicators]]
list = ["sma(20)", "ema(12)", "ema(26)", "rsi(14)", "macd(12,26,9)", "bb(20,2)", "atr(14)", "obv", "vwap(session)"]
"#;
const REPORT_FILE: &str = "report.html";
const SUBTITLE: &str = "a simulated session of 2 January 2024, New York hours, times in UTC";

/// Runs it.
pub(super) fn demo(args: &DemoArgs) -> Result<u8, Failure> {
    let mut list = super::run::overrides(&args.run);
    for (flag, path, value) in [
        ("--symbols", &["source", "simulator", "symbols"], args.symbols),
        ("--trades", &["source", "simulator", "trades"], args.trades),
    ] {
        list.push(Override { flag, path, value: value.into() });
    }
    let config =
        Config::parse("demo", CONFIG, &list, &Registry::standard()).map_err(Failure::usage)?;
    let width = config.widths()[0];
    let max_refused = config.max_refused();
    let collector = Collector::default();
    let engine = Engine::new(config).store(args.run.replace).sink(Box::new(collector.clone()));
    let summary = start(engine)?;
    let report = write_report(&collector, &summary)?;
    if args.run.json {
        let mut document = summary.json();
        document["report"] = report.display().to_string().into();
        print_json(&document)?;
    } else {
        let chart = collector.collected().chart(width);
        let report = line("report", &report.display().to_string());
        print(&format!("{chart}\n{}{report}", summary.text()))?;
    }
    Ok(verdict(&summary, max_refused, args.run.strict))
}

/// Written aside and renamed, so that a page that is open never reads half of one.
fn write_report(collector: &Collector, summary: &Summary) -> Result<PathBuf, Failure> {
    let folder = summary.store.as_deref().unwrap_or(Path::new("."));
    let (path, aside) = (folder.join(REPORT_FILE), folder.join("report.html.part"));
    let page = collector.collected().page(SUBTITLE, summary);
    std::fs::write(&aside, page).and_then(|()| std::fs::rename(&aside, &path)).map_err(
        |error| Failure::failed(format!("{}: cannot be written: {error}", path.display())),
    )?;
    Ok(path)
}
