//! `tidemill simulate`: a seeded session to a file.

use super::Failure;
use super::output::{print, print_json};
use super::progress::Drawn;
use super::session_args::{SessionFlags, SimulateArgs};
use crate::config::{Config, Override, SourceKind};
use crate::engine::{grouped, simulation};
use operators::indicator::Registry;
use serde_json::json;
use sources::{Columns, WriteError, Written, write_session};

/// Writes it.
pub(super) fn simulate(args: &SimulateArgs) -> Result<u8, Failure> {
    let config = Config::parse("simulate", "", &overrides(&args.session), &Registry::standard())
        .map_err(Failure::usage)?;
    let Some(SourceKind::Simulator(session)) = config.sources().first().map(|source| &source.kind)
    else {
        return Err(Failure::usage("a simulator is wanted"));
    };
    let mut drawn = Drawn::start();
    let total = session.trades as f64;
    let mut progress = |part: f64| drawn.draw((part * total) as u64, Some(part));
    let columns = columns(&args.columns)?;
    let written = write_session(&simulation(session), &args.out, columns, &mut progress);
    drop(drawn);
    let Written { records, bad, corrections } = written.map_err(|error| match error {
        WriteError::Simulation(_) | WriteError::Name(_) | WriteError::Corrections => {
            Failure::usage(error)
        }
        _ => Failure::failed(error),
    })?;
    let path = args.out.display();
    if args.json {
        print_json(&json!({
            "written": path.to_string(),
            "records": records,
            "bad": bad,
            "corrections": corrections,
        }))?;
    } else {
        print(&format!(
            "wrote {} records, {} of them bad and {} corrections, to {path}\n",
            grouped(records),
            grouped(bad),
            grouped(corrections)
        ))?;
    }
    Ok(0)
}

fn columns(text: &str) -> Result<Columns, Failure> {
    match text {
        "all" => Ok(Columns::All),
        "required" => Ok(Columns::Required),
        _ => Err(Failure::usage(format!("--columns = \"{text}\": wanted all or required"))),
    }
}

/// The flags as keys of a simulator, so that one place checks them.
pub(super) fn overrides(args: &SessionFlags) -> Vec<Override> {
    let kind = Override { flag: "", path: &["source", "kind"], value: "simulator".into() };
    vec![
        kind,
        Override {
            flag: "--symbols",
            path: &["source", "simulator", "symbols"],
            value: args.symbols.into(),
        },
        Override {
            flag: "--trades",
            path: &["source", "simulator", "trades"],
            value: args.trades.into(),
        },
        Override {
            flag: "--seed",
            path: &["source", "simulator", "seed"],
            value: args.seed.into(),
        },
        Override {
            flag: "--start",
            path: &["source", "simulator", "start"],
            value: args.start.as_str().into(),
        },
        Override {
            flag: "--session",
            path: &["source", "simulator", "session"],
            value: args.session.as_str().into(),
        },
        Override {
            flag: "--late",
            path: &["source", "simulator", "late"],
            value: args.late.into(),
        },
        Override {
            flag: "--duplicate",
            path: &["source", "simulator", "duplicate"],
            value: args.duplicate.into(),
        },
        Override { flag: "--bad", path: &["source", "simulator", "bad"], value: args.bad.into() },
        Override {
            flag: "--cancel",
            path: &["source", "simulator", "cancel"],
            value: args.cancel.into(),
        },
        Override {
            flag: "--replace",
            path: &["source", "simulator", "replace"],
            value: args.replace.into(),
        },
    ]
}
