//! The `tidemill` command: flags, then the engine, then what is printed. Documents go to standard
//! output, everything else to standard error.

mod args;
mod brokers;
mod check;
mod checkpoints;
mod connect;
mod demo;
mod diff;
mod exclude;
mod ingest;
mod init;
mod letters;
mod output;
mod preview;
mod progress;
mod query;
mod replay;
mod run;
mod session_args;
mod simulate;
mod status;
mod store_args;
mod tail;
mod topic_args;
mod topics;
mod up;
mod watch;

use args::{Arguments, Command};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// It failed while running.
const FAILED: u8 = 1;
/// Wrong usage or configuration.
const USAGE: u8 = 2;

/// Another run of the deployment has begun.
const OVERTAKEN: u8 = 5;

/// It was interrupted.
const STOPPED: u8 = 130;

/// A command that did not do what was asked: the code to exit with and one line.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

/// The store that a command reads: the folder given, else that of the configuration here, else the usual.
fn store_folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    const USUAL: &str = "tidemill-data";
    if let Some(folder) = given {
        return Ok(folder.to_owned());
    }
    let usual = Path::new("cluster.toml");
    match usual.exists() {
        true => match brokers::configuration(usual) {
            Ok(config) => Ok(config.data().to_owned()),
            Err(Failure { message, .. }) => {
                Err(Failure::usage(format!("{message}; --data names a store")))
            }
        },
        false => Ok(USUAL.into()),
    }
}

impl Failure {
    fn usage(message: impl std::fmt::Display) -> Self {
        Failure { code: USAGE, message: message.to_string() }
    }

    fn failed(message: impl std::fmt::Display) -> Self {
        Failure { code: FAILED, message: message.to_string() }
    }

    /// Wrong usage, or a failure while running.
    fn of(is_usage: bool, message: impl std::fmt::Display) -> Self {
        if is_usage { Failure::usage(message) } else { Failure::failed(message) }
    }
}

/// Parses the command line, does it, and says how it went.
pub fn main() -> ExitCode {
    watch::abort_on_panic();
    crate::observe::log_to_stderr();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // What cannot be printed is not worth failing for.
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let done = match arguments.command {
        Command::Demo(args) => demo::demo(&args),
        Command::Run(args) => run::run(&args),
        Command::Up(args) => up::up(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Ingest(args) => ingest::ingest(&args),
        Command::Topics(args) => topics::topics(&args),
        Command::Tail(args) => tail::tail(&args),
        Command::Query(args) => query::query(&args),
        Command::Exclude(args) => exclude::exclude(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Check(args) => check::check(&args),
        Command::Init(args) => init::init(&args),
        Command::DeadLetters(args) => letters::letters(&args),
        Command::Status(args) => status::status(&args),
        Command::Checkpoints(args) => checkpoints::checkpoints(&args),
    };
    let code = done.unwrap_or_else(|failure| {
        output::complain(&failure.message);
        failure.code
    });
    crate::observe::flush();
    code.into()
}
