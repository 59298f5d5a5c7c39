//! `tidemill ingest`: files or a simulated session into a topic.

use super::Failure;
use super::args::IngestArgs;
use super::brokers::given;
use super::output::{complain, print, print_json};
use super::progress::Drawn;
use super::replay::source;
use super::run::lay;
use super::watch::interruptible;
use crate::config::{Config, Override, parse_duration};
use crate::engine::{Inputs, Reading, grouped, judge, time_of};
use crate::ingest::{Attended, Ingest, Ingested};
use kafka::Settings;
use market::{Epoch, Sink, Symbols};
use operators::indicator::Registry;
use serde_json::json;
use sinks::{Identity, LetterLimits, LetterSink, Store};
use sources::{Feed, MergedFeed, Pace, PacedFeed};
use std::path::Path;
use std::time::{Instant, SystemTime};

/// The share of refused records that fails a run, beyond those that are free.
const REFUSED_MAX: f64 = 0.01;

/// Ingests.
#[expect(clippy::disallowed_methods, reason = "the summary says how long it took")]
pub(super) fn ingest(args: &IngestArgs) -> Result<u8, Failure> {
    let (config, pace) = configure(args)?;
    let ingest = plan(args, pace)?;
    let watch = interruptible()?;
    let symbols = Symbols::with_scales(config.scales().clone());
    let feed = feed(&config, pace, &symbols)?;
    // The store's lock is held as long as it is written to.
    let (_store, mut letters) = letters(&args.data)?;
    let began = Instant::now();
    let mut drawn = Drawn::start();
    let done = ingest.run(
        feed,
        &symbols,
        Attended {
            stop: &watch.stop,
            progress: &mut |read, part| drawn.draw(read, part),
            letters: Some(&mut letters),
        },
    );
    drop(drawn);
    letters.flush(Epoch::MAX).map_err(Failure::failed)?;
    let done = done.map_err(|error| Failure::of(error.is_usage(), error))?;
    let seconds = began.elapsed().as_secs_f64();
    report(args, &done, seconds)?;
    Ok(verdict(&done, args.strict))
}

/// The input, checked where every input is; and the pace, which is kept behind the merge of its logs.
fn configure(args: &IngestArgs) -> Result<(Config, Option<f64>), Failure> {
    let mut list = Vec::new();
    if args.simulate {
        list.extend(super::simulate::overrides(&args.session));
    } else {
        source(&mut list, &args.files, &args.layout);
        lay(&mut list, "--order", &["source", "order"], args.order.as_deref());
    }
    lay(&mut list, "--lateness", &["source", "lateness"], Some(&args.lateness));
    let parse = |list: &[Override]| {
        Config::parse("flags", "", list, &Registry::standard()).map_err(Failure::usage)
    };
    let config = parse(&list)?;
    lay(&mut list, "--pace", &["source", "pace"], Some(&args.pace));
    let pace = parse(&list)?.sources().first().and_then(|source| source.pace);
    Ok((config, pace))
}

fn plan(args: &IngestArgs, pace: Option<f64>) -> Result<Ingest, Failure> {
    let duration = |flag: &str, text: &str| {
        parse_duration(text).map_err(|e| Failure::usage(format!("{flag} = \"{text}\": {e}")))
    };
    if args.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        return Err(Failure::usage("--rate: wanted a number of trades above zero"));
    }
    Ok(Ingest {
        settings: settings(args)?,
        topic: args.topic.clone(),
        partitions: args.partitions,
        codec: args.codec.parse().map_err(|error| Failure::usage(format!("--{error}")))?,
        batch: args.batch as usize,
        keyed: !args.no_keys,
        rate: args.rate,
        prompt: pace.is_some(),
        heartbeats_ns: duration("--heartbeats", &args.heartbeats)?,
        lateness_ns: duration("--lateness", &args.lateness)?,
        end_heartbeat: !args.no_end_heartbeat,
        raw: args.raw,
    })
}

fn settings(args: &IngestArgs) -> Result<Settings, Failure> {
    Settings::new(&args.brokers, given(&args.settings)?).map_err(Failure::usage)
}

/// One log of all there are.
fn feed(config: &Config, pace: Option<f64>, symbols: &Symbols) -> Result<Box<dyn Feed>, Failure> {
    let inputs = Inputs::of(config, Vec::new(), Reading::default(), symbols)
        .map_err(|error| Failure::of(error.is_usage(), error))?;
    let opened = inputs.recorded().map_err(|error| Failure::of(error.usage, error))?;
    let merged = Box::new(MergedFeed::new(opened));
    let Some(factor) = pace else { return Ok(merged) };
    let pace = Pace::new(factor).map_err(Failure::usage)?;
    Ok(Box::new(PacedFeed::new(merged, pace).map_err(Failure::failed)?))
}

/// Where this run keeps what it refuses: a store that holds nothing else; what an earlier one kept goes.
#[expect(clippy::disallowed_methods, reason = "a store records when it was made")]
fn letters(folder: &Path) -> Result<(Store, LetterSink), Failure> {
    let parts = vec![("command".to_owned(), "ingest".to_owned())];
    let identity = Identity { fingerprint: "ingest".to_owned(), parts };
    let now = time_of(SystemTime::now());
    let open = || {
        Store::open(folder, &identity, false, now)
            .map_err(|error| Failure::of(error.is_usage(), error))
    };
    let mut store = open()?;
    if !store.is_new() {
        store.discard().map_err(Failure::failed)?;
        store = open()?;
    }
    let letters = store.letters(LetterLimits::default()).map_err(Failure::failed)?;
    Ok((store, letters))
}

fn report(args: &IngestArgs, done: &Ingested, seconds: f64) -> Result<(), Failure> {
    let refused: u64 = done.refused.values().sum();
    let per_second = (done.trades as f64 / seconds.max(1e-9)).round();
    if args.json {
        let by_reason: serde_json::Map<String, serde_json::Value> = done
            .refused
            .iter()
            .map(|(reason, count)| (reason.code().to_owned(), (*count).into()))
            .collect();
        return print_json(&json!({
            "complete": done.complete,
            "topic": args.topic,
            "partitions": done.partitions,
            "read": done.read,
            "sent": done.trades,
            "refused": refused,
            "refused_by_reason": by_reason,
            "passed_on": done.passed_on,
            "messages": done.messages,
            "heartbeats": done.heartbeats,
            "bytes": done.bytes,
            "seconds": seconds,
            "trades_per_second": per_second,
        }));
    }
    let end = if done.complete { "" } else { ", stopped early" };
    let mut text = format!(
        "{} trades in {} messages to {} ({} partitions), {} heartbeats: {:.1} s, {}/s{end}\n",
        grouped(done.trades),
        grouped(done.messages - done.heartbeats),
        args.topic,
        done.partitions,
        grouped(done.heartbeats),
        seconds,
        grouped(per_second as u64),
    );
    for (reason, count) in &done.refused {
        text.push_str(&format!("refused {reason}: {}\n", grouped(*count)));
    }
    print(&text)
}

fn verdict(done: &Ingested, strict: bool) -> u8 {
    let refused: u64 = done.refused.values().sum();
    let code = match done.complete {
        true => judge((done.read, done.trades, refused), REFUSED_MAX, strict),
        false => 130,
    };
    if code == 3 {
        complain(&format!("{refused} of {} records could not be decoded", done.read));
    }
    code
}
