//! `tidemill tail`: the records of a topic as they come, decoded: JSON, Arrow ticks, rows, tombstones.

use super::Failure;
use super::brokers::settings;
use super::output::{complain, print};
use super::topic_args::TailArgs;
use super::watch::interruptible;
use kafka::{Admin, Consumer, Message, PartitionName, PartitionReader, Settings};
use market::{Symbols, Time};
use serde_json::json;
use serde_json::value::RawValue;
use sources::{Codec, Decoded, Decoder, Encoder, Layout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long all partitions together are waited for.
const WAIT: Duration = Duration::from_millis(100);
/// Between two looks whether the brokers answer, and how long such an answer may take.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How an Arrow stream begins: the mark of a message, then its length.
const ARROW: &[u8] = &[0xff, 0xff, 0xff, 0xff];

/// A partition that is read, and the offset it is read up to, where that is all.
struct Reading {
    partition: u32,
    reader: PartitionReader,
    until: Option<u64>,
}

/// What is printed, and how much of it still.
struct Printer<'a> {
    args: &'a TailArgs,
    left: u64,
    text: String,
}

/// Prints them until Ctrl-C, `--max`, or with `--until-end` the end.
pub(super) fn tail(args: &TailArgs) -> Result<u8, Failure> {
    let watch = interruptible()?;
    let settings = settings(&args.brokers)?;
    let admin = Admin::new(&settings).map_err(Failure::failed)?;
    match admin.wait(&watch.stop) {
        Err(_) if watch.stop.load(Ordering::Relaxed) => return Ok(0),
        answered => answered.map_err(Failure::failed)?,
    }
    let mut readings = open(args, &settings, &admin)?;
    listen(admin, watch.stop.clone());
    let mut printer = Printer { args, left: args.max.unwrap_or(u64::MAX), text: String::new() };
    while printer.left > 0 && !readings.is_empty() && !watch.stop.load(Ordering::Relaxed) {
        let wait = WAIT / readings.len() as u32;
        for reading in &mut readings {
            let partition = reading.partition;
            let polled = reading.reader.poll(wait, |message| {
                if reading.until.is_none_or(|until| message.offset() < until) {
                    printer.take(partition, message);
                }
            });
            let arrived = polled.map_err(Failure::failed)?;
            if arrived.end.is_some_and(|end| reading.until.is_some_and(|until| end >= until)) {
                reading.until = Some(0);
            }
        }
        print(&std::mem::take(&mut printer.text))?;
        readings.retain(|reading| reading.until != Some(0));
    }
    Ok(0)
}

/// Says that the brokers do not answer, and that they do again: a reader waits for them without a word, as it waits
/// for the next record. The thread ends with the process.
fn listen(admin: Admin, stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut is_away = false;
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
            match (admin.look(LOOK_EVERY), is_away) {
                (Err(error), false) => complain(&format!("{error}; they are waited for")),
                (Ok(()), true) => complain("the brokers answer again"),
                _ => continue,
            }
            is_away = !is_away;
        }
    });
}

fn open(args: &TailArgs, settings: &Settings, admin: &Admin) -> Result<Vec<Reading>, Failure> {
    let topic = admin.topic(&args.topic).map_err(Failure::failed)?;
    let Some(topic) = topic else {
        return Err(Failure::usage(format!("{}: no topic of that name", args.topic)));
    };
    let names: Vec<PartitionName> = (0..topic.partitions)
        .filter(|partition| args.partition.is_none_or(|only| only == *partition))
        .map(|partition| (args.topic.clone(), partition))
        .collect();
    if names.is_empty() {
        let last = topic.partitions - 1;
        return Err(Failure::usage(format!("--partition: {} has 0 to {last}", args.topic)));
    }
    let bounds = admin.bounds(&names).map_err(Failure::failed)?;
    let from: Vec<u64> = match args.from.as_str() {
        "earliest" => bounds.iter().map(|bounds| bounds.first).collect(),
        "latest" => bounds.iter().map(|bounds| bounds.end).collect(),
        text => {
            let time = Time::parse(text).map_err(|_| {
                Failure::usage("--from: wanted earliest, latest or a time as 2024-01-02T14:30:00Z")
            })?;
            let at = admin.offsets_at(&names, time.ns() / 1_000_000).map_err(Failure::failed)?;
            at.iter().zip(&bounds).map(|(at, bounds)| at.unwrap_or(bounds.end)).collect()
        }
    };
    let consumer = Consumer::new(settings).map_err(Failure::failed)?;
    let mut readings = Vec::new();
    for (((_, partition), bounds), from) in names.iter().zip(&bounds).zip(from) {
        let until = args.until_end.then_some(bounds.end);
        if until.is_none_or(|until| from < until) {
            let reader = consumer.read(&args.topic, *partition, from).map_err(Failure::failed)?;
            readings.push(Reading { partition: *partition, reader, until });
        }
    }
    Ok(readings)
}

impl Printer<'_> {
    fn take(&mut self, partition: u32, message: Message<'_>) {
        let key = message.key().map(|key| String::from_utf8_lossy(key).into_owned());
        let wanted = self.args.key.as_deref();
        let by_key = wanted.is_none_or(|wanted| {
            key.as_deref()
                .is_some_and(|key| key == wanted || symbol_of(key).as_deref() == Some(wanted))
        });
        let place = (partition, message.offset());
        for value in values(message.payload()) {
            let is_wanted = by_key || symbol_of(&value).as_deref() == wanted;
            if is_wanted && self.left > 0 {
                self.left -= 1;
                self.line(place, message, key.as_deref(), &value);
            }
        }
    }

    fn line(&mut self, at: (u32, u64), message: Message<'_>, key: Option<&str>, value: &str) {
        let header = |name| message.header(name).map(|bytes| String::from_utf8_lossy(bytes));
        let (schema, epoch) = (header(c"schema"), header(c"epoch"));
        if self.args.json {
            let document = json!({
                "topic": self.args.topic, "partition": at.0, "offset": at.1,
                "timestamp_ms": message.timestamp_ms(), "key": key,
                "schema": schema, "epoch": epoch.and_then(|epoch| epoch.parse::<i64>().ok()),
            });
            // Values stay as they are written, so that decimals stay exact.
            let document = document.to_string();
            self.text += &format!("{},\"value\":{value}}}\n", &document[..document.len() - 1]);
        } else {
            let (partition, offset) = at;
            let (key, schema) =
                (plain(key.unwrap_or("-")), plain(schema.as_deref().unwrap_or("-")));
            let value = if message.payload().is_none() { "removed" } else { value };
            self.text += &format!("{partition}/{offset} {schema} {key} {value}\n");
        }
    }
}

/// What a terminal may be given: anybody may have written it.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The symbol that a JSON object names.
fn symbol_of(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(value.get("symbol")?.as_str()?.to_owned())
}

/// What a message says, as JSON: one value, those of a list, or those of an Arrow stream.
fn values(payload: Option<&[u8]>) -> Vec<String> {
    let Some(payload) = payload else { return vec!["null".to_owned()] };
    if payload.starts_with(ARROW)
        && let Some(trades) = arrow(payload)
    {
        return trades;
    }
    let text = std::str::from_utf8(payload).unwrap_or_default();
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
        return list.into_iter().map(one_line).collect();
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => vec![one_line(value)],
        Err(_) => vec![json!({"bytes": payload.escape_ascii().to_string()}).to_string()],
    }
}

/// White space between the parts of a value may be line breaks; inside texts it cannot be.
fn one_line(value: &RawValue) -> String {
    value.get().replace(['\n', '\r'], " ")
}

/// The trades of an Arrow stream; nothing when it is none.
fn arrow(payload: &[u8]) -> Option<Vec<String>> {
    let symbols = Symbols::default();
    let mut decoder = Decoder::new(Codec::Arrow, &Layout::default(), &symbols).ok()?;
    let mut decoded = Decoded::default();
    let (key, topic, timestamp_ms, offset) = (None, "", None, 0);
    let message = sources::Message { key, payload: Some(payload), topic, timestamp_ms, offset };
    decoder.decode(&message, &mut decoded);
    decoder.finish(&mut decoded);
    if !decoded.undecoded.is_empty() {
        return None;
    }
    let mut encoder = Encoder::new(Codec::Json, &symbols);
    let encode = |row: usize| {
        let mut text = Vec::new();
        encoder.encode(&decoded.trades, row..row + 1, &mut text).ok()?;
        String::from_utf8(text).ok()
    };
    (0..decoded.trades.len()).map(encode).collect()
}
