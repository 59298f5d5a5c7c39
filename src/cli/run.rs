//! `tidemill run`: the engine as configured; and what every run of the graph shares.

use super::args::{RunArgs, RunFlags};
use super::output::{complain, print, print_json};
use super::progress::Shown;
use super::watch::{end_with_supervisor, interruptible};
use super::{Failure, OVERTAKEN, STOPPED};
use crate::config::{Config, Override};
use crate::engine::{Engine, EngineError, REFUSED_FREE, Summary};
use crate::observe::{is_json, log_as};
use operators::indicator::Registry;

/// Runs the configured engine.
pub(super) fn run(args: &RunArgs) -> Result<u8, Failure> {
    if args.supervised {
        end_with_supervisor();
    }
    let registry = Registry::standard();
    let config =
        Config::read(&args.config, &overrides(&args.run), &registry).map_err(Failure::usage)?;
    log_as(&config, args.process).map_err(Failure::failed)?;
    let strict = args.run.strict;
    let max_refused = config.max_refused();
    let engine = Engine::new(config)
        .store(args.run.replace)
        .process(args.process)
        .accept_gap(args.accept_gap);
    let summary = start(engine)?;
    finish(&summary, &args.run)?;
    // The others know their own partitions only: the first one judges the whole.
    if args.process > 0 && summary.complete {
        return Ok(0);
    }
    Ok(verdict(&summary, max_refused, strict))
}

/// Runs an engine with progress shown and Ctrl-C watched.
pub(super) fn start(engine: Engine) -> Result<Summary, Failure> {
    let watch = interruptible()?;
    // Lines of a log that is read by machines are its own.
    let shown = (!is_json()).then(|| Shown::start(watch.progress.clone()));
    let done = engine.watch(watch).run();
    drop(shown);
    done.map_err(one_by_one).map_err(|error| match error {
        EngineError::Overtaken(_) => Failure { code: OVERTAKEN, message: error.to_string() },
        EngineError::Stopped => Failure { code: STOPPED, message: error.to_string() },
        error => Failure::of(error.is_usage(), error),
    })
}

/// Says all but the last of what changed: a line each.
fn one_by_one(error: EngineError) -> EngineError {
    let EngineError::Lineage { to, mut changes } = error else { return error };
    let last = changes.split_off(changes.len().saturating_sub(1));
    for change in changes {
        complain(&EngineError::Lineage { to: to.clone(), changes: vec![change] }.to_string());
    }
    EngineError::Lineage { to, changes: last }
}

/// Prints the summary: a document, or lines on standard error.
pub(super) fn finish(summary: &Summary, flags: &RunFlags) -> Result<(), Failure> {
    if flags.json { print_json(&summary.json()) } else { print(&summary.text()) }
}

/// The exit code; what makes it 3 is said.
pub(super) fn verdict(summary: &Summary, max_refused: f64, strict: bool) -> u8 {
    let code = summary.exit_code(max_refused, strict);
    let (used, refused) = (summary.counts.used, summary.counts.refused_total());
    if code == 3 && used == 0 {
        complain("no record could be used");
    } else if code == 3 && strict {
        complain(&format!("{refused} records were refused, wanted none: --strict"));
    } else if code == 3 {
        let percent = max_refused * 100.0;
        complain(&format!(
            "{refused} records were refused, wanted at most {percent}% or {REFUSED_FREE}"
        ));
    }
    code
}

/// What the common flags lay over the file.
pub(super) fn overrides(flags: &RunFlags) -> Vec<Override> {
    let mut list = Vec::new();
    lay(&mut list, "--data", &["deployment", "data"], flags.data.as_deref());
    if let Some(workers) = flags.workers {
        let path = &["cluster", "workers"];
        list.push(Override { flag: "--workers", path, value: workers.into() });
    }
    list
}

/// Adds a flag that was given.
pub(super) fn lay(
    list: &mut Vec<Override>,
    flag: &'static str,
    path: &'static [&'static str],
    value: Option<&str>,
) {
    list.extend(value.map(|value| Override { flag, path, value: value.into() }));
}
