//! `tidemill status`: every process of a run asked how it is, on one screen.

use super::Failure;
use super::args::StatusArgs;
use super::brokers::configuration;
use super::output::{print, print_json};
use crate::config::Config;
use crate::depot::ObjectDepot;
use crate::engine::{grouped, line, table};
use crate::observe::{Condition, Found};
use dataflows::checkpoint::{Entry, entries};
use serde_json::{Map, Value, json};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a process may take to answer.
const WAIT: Duration = Duration::from_secs(3);
/// Bytes of an answer.
const ANSWER_MAX: u64 = 16 << 20;
/// Partitions that are shown: those that hold the frontier and lag the most.
const PARTITIONS_SHOWN: usize = 20;

/// What a process said.
struct Asked {
    process: usize,
    address: String,
    answer: Result<Value, String>,
}

/// Asks all; exits with 1 where one does not answer or something is wrong.
pub(super) fn status(args: &StatusArgs) -> Result<u8, Failure> {
    let config = configuration(&args.config)?;
    let file = args.config.display();
    let processes = config.processes();
    let address = |process| config.observe().asked_at(processes, process);
    let addresses: Option<Vec<String>> = (0..processes.len().max(1)).map(address).collect();
    let addresses = addresses.ok_or_else(|| {
        Failure::usage(format!("{file}: observe.listen is not set, so no process can be asked"))
    })?;
    let asked: Vec<Asked> = std::thread::scope(|scope| {
        let ask = |address: &String| {
            let address = address.clone();
            scope.spawn(move || ask(&address, "/status"))
        };
        let threads: Vec<_> = addresses.iter().map(ask).collect();
        let answers = threads.into_iter().map(|thread| thread.join());
        let answers = answers.map(|done| done.unwrap_or_else(|_| Err("no answer".to_owned())));
        let numbered = addresses.iter().enumerate().zip(answers);
        let asked = |((process, address), answer): ((usize, &String), _)| Asked {
            process,
            address: address.clone(),
            answer,
        };
        numbered.map(asked).collect()
    });
    let document = document(&config, &asked);
    let is_well = document["conditions"].as_array().is_some_and(Vec::is_empty);
    if args.json {
        print_json(&document)?;
    } else {
        print(&screen(&document, &asked))?;
    }
    Ok(u8::from(!is_well))
}

/// One question of HTTP.
fn ask(address: &str, path: &str) -> Result<Value, String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut last = "the address means no host".to_owned();
    for resolved in address.to_socket_addrs().map_err(failed)? {
        let mut stream = match TcpStream::connect_timeout(&resolved, WAIT) {
            Ok(stream) => stream,
            Err(error) => {
                last = error.to_string();
                continue;
            }
        };
        stream.set_read_timeout(Some(WAIT)).map_err(failed)?;
        let question = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(question.as_bytes()).map_err(failed)?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).map_err(failed)?;
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        let body = body.ok_or("what listens there speaks no HTTP")?;
        return serde_json::from_slice(&answer[body..])
            .map_err(|error| format!("what listens there is no process of Tidemill: {error}"));
    }
    Err(last)
}

/// What all said, put together.
fn document(config: &Config, asked: &[Asked]) -> Value {
    let answers: Vec<&Value> = asked.iter().filter_map(|one| one.answer.as_ref().ok()).collect();
    let sum = |key: &str| answers.iter().filter_map(|one| one[key].as_u64()).sum::<u64>();
    let mut refused = Map::new();
    for (reason, count) in
        answers.iter().filter_map(|one| one["refused_by_reason"].as_object()).flatten()
    {
        let known = refused.get(reason).and_then(Value::as_u64).unwrap_or(0);
        refused.insert(reason.clone(), (known + count.as_u64().unwrap_or(0)).into());
    }
    let partitions: Vec<Value> = answers
        .iter()
        .flat_map(|answer| {
            let list = answer["partitions"].as_array().into_iter().flatten();
            list.map(|one| {
                let mut one = one.clone();
                one["process"] = answer["process"].clone();
                one
            })
        })
        .collect();
    // Each process knows a frontier that was: the furthest is the newest.
    let frontier = answers.iter().max_by_key(|one| one["frontier"]["epoch"].as_i64());
    let first = answers.iter().find(|one| one["process"] == 0);
    let checkpoints = match first {
        Some(first) => first["checkpoints"].clone(),
        None => stored(config),
    };
    json!({
        "deployment": config.name(),
        "processes": asked.iter().map(|one| json!({
            "process": one.process,
            "address": one.address,
            "answers": one.answer.is_ok(),
            "healthy": one.answer.as_ref().ok().map(|answer| answer["healthy"].clone()),
            "ready": one.answer.as_ref().ok().map(|answer| answer["ready"].clone()),
            "seconds": one.answer.as_ref().ok().map(|answer| answer["seconds"].clone()),
        })).collect::<Vec<_>>(),
        "frontier": frontier.map(|one| one["frontier"].clone()),
        "epochs_open": answers.iter().filter_map(|one| one["epochs_open"].as_u64()).max(),
        "partitions": partitions,
        "read": sum("read"),
        "used": sum("used"),
        "refused": sum("refused"),
        "refused_by_reason": refused,
        "late": sum("late"),
        "flagged": sum("flagged"),
        "cancelled": sum("cancelled"),
        "replaced": sum("replaced"),
        "excluded": sum("excluded"),
        "spread_symbols": sum("spread_symbols"),
        "tables": first.map(|one| one["tables"].clone()),
        "sinks": first.map(|one| one["sinks"].clone()),
        "checkpoints": checkpoints,
        "conditions": conditions(asked),
    })
}

/// What is not as it should be, of all.
fn conditions(asked: &[Asked]) -> Vec<Value> {
    let mut conditions: Vec<Value> = Vec::new();
    for one in asked {
        match &one.answer {
            Ok(answer) => {
                for found in answer["conditions"].as_array().into_iter().flatten() {
                    let mut found = found.clone();
                    found["process"] = one.process.into();
                    conditions.push(found);
                }
            }
            Err(error) => {
                let what = format!("{} does not answer: {error}", one.address);
                let mut found = Found { condition: Condition::ProcessAway, what }.json();
                found["process"] = one.process.into();
                conditions.push(found);
            }
        }
    }
    conditions
}

/// The last checkpoint in the store, where the process that writes them does not answer.
fn stored(config: &Config) -> Value {
    let Some(given) = config.checkpoints() else { return Value::Null };
    let opened = ObjectDepot::open(&given.to, config.name());
    let listed = opened
        .map_err(|error| error.to_string())
        .and_then(|depot| entries(&depot).map_err(|error| error.to_string()));
    let last = match listed {
        Err(error) => return json!({"error": error.to_string()}),
        Ok((entries, _)) => entries.into_iter().rev().find_map(|(number, entry)| match entry {
            Entry::Manifest(manifest) => Some((number, manifest)),
            Entry::Claim { .. } => None,
        }),
    };
    let Some((number, manifest)) = last else { return Value::Null };
    let cut_at = manifest.epoch.map(|epoch| config.epoch().start(epoch).to_string());
    json!({"number": number, "cut_at": cut_at})
}

fn seconds(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(seconds) if seconds < 100.0 => format!("{seconds:.1} s"),
        Some(seconds) => format!("{} s", grouped(seconds as u64)),
    }
}

fn count(value: &Value) -> String {
    value.as_u64().map_or("-".to_owned(), grouped)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a person reads.
fn screen(document: &Value, asked: &[Asked]) -> String {
    let mut text = line("deployment", &text_of(&document["deployment"]));
    text += &line("frontier", &frontier(document));
    text += &line("checkpoints", &checkpoints(&document["checkpoints"]));
    text += &line("records", &records(document));
    text += &line("epochs open", &count(&document["epochs_open"]));
    text += &line("spread symbols", &count(&document["spread_symbols"]));
    let yes = |value: &Value| if *value == true { "yes" } else { "no" }.to_owned();
    let rows = asked.iter().map(|one| match &one.answer {
        Ok(answer) => vec![
            one.process.to_string(),
            one.address.clone(),
            yes(&answer["healthy"]),
            yes(&answer["ready"]),
            seconds(&answer["seconds"]),
        ],
        Err(_) => vec![
            one.process.to_string(),
            one.address.clone(),
            "does not answer".to_owned(),
            "-".to_owned(),
            "-".to_owned(),
        ],
    });
    text.push('\n');
    text += &table(&["process", "address", "healthy", "ready", "runs"], &rows.collect::<Vec<_>>());
    text += &partitions(document);
    let sinks = document["sinks"].as_array().into_iter().flatten().map(|sink| {
        let busy = match sink["busy_with"].as_str() {
            Some(call) => format!("{call}, {}", seconds(&sink["busy_seconds"])),
            None => "-".to_owned(),
        };
        vec![
            text_of(&sink["sink"]),
            count(&sink["rows"]),
            count(&sink["letters"]),
            seconds(&sink["seconds"]),
            busy,
        ]
    });
    text.push('\n');
    text += &table(&["sink", "rows", "refused", "time", "busy with"], &sinks.collect::<Vec<_>>());
    let conditions: Vec<&Value> = document["conditions"].as_array().into_iter().flatten().collect();
    if conditions.is_empty() {
        return text + "\nall is as it should be\n";
    }
    text.push('\n');
    for found in conditions {
        let what = format!("process {}: {}", found["process"], text_of(&found["what"]));
        text += &format!("{what}\n  read {}\n", text_of(&found["runbook"]));
    }
    text
}

fn frontier(document: &Value) -> String {
    let list = document["partitions"].as_array().into_iter().flatten();
    let holders: Vec<String> = list
        .filter(|one| one["holds_frontier"] == true)
        .map(|one| format!("{} (process {})", text_of(&one["partition"]), one["process"]))
        .collect();
    let known = &document["frontier"];
    let by = match (holders.len(), known["waits_for_sinks"] == true) {
        (0, true) => "the sinks".to_owned(),
        (0, false) => "the graph, or a process that does not answer".to_owned(),
        (1..4, _) => holders.join(", "),
        (many, _) => format!("{} and {} others", holders[..3].join(", "), many - 3),
    };
    match known["time"].as_str() {
        Some(time) => {
            format!("{time}, {} behind the clock, held by {by}", seconds(&known["lag_seconds"]))
        }
        None => format!("nothing is complete yet, held by {by}"),
    }
}

fn checkpoints(known: &Value) -> String {
    if let Some(error) = known["error"].as_str() {
        return error.to_owned();
    }
    let Some(written) = known["written"].as_u64() else {
        return match known["number"].as_u64() {
            Some(number) => {
                format!("number {number} in the store, cut at {}", text_of(&known["cut_at"]))
            }
            None => "none are kept".to_owned(),
        };
    };
    let failed = known["failed"].as_u64().unwrap_or(0);
    let mut text = format!("{} written, {} failed", grouped(written), grouped(failed));
    if written > 0 {
        text += &format!(
            ", the last {} ago: cut at {}, {} bytes, took {}",
            seconds(&known["age_seconds"]),
            text_of(&known["cut_at"]),
            count(&known["bytes"]),
            seconds(&known["seconds"]),
        );
    }
    if let Some(why) = known["last_failure"].as_str() {
        text += &format!("; {why}");
    }
    text
}

fn records(document: &Value) -> String {
    let by_reason = document["refused_by_reason"].as_object().into_iter().flatten();
    let refused: Vec<String> =
        by_reason.map(|(reason, n)| format!("{reason} {}", count(n))).collect();
    let refused = match refused.is_empty() {
        true => String::new(),
        false => format!(" ({})", refused.join(", ")),
    };
    format!(
        "{} read, {} used, {} refused{refused}, {} late",
        count(&document["read"]),
        count(&document["used"]),
        count(&document["refused"]),
        count(&document["late"]),
    )
}

fn partitions(document: &Value) -> String {
    let mut list: Vec<&Value> = document["partitions"].as_array().into_iter().flatten().collect();
    let lag = |one: &Value| one["lag_seconds"].as_f64().unwrap_or(f64::MAX);
    list.sort_by(|a, b| {
        // One that has ended holds nobody back, however far its last record lies.
        let rank = |one: &Value| (one["holds_frontier"] != true, one["ended"] == true);
        rank(a).cmp(&rank(b)).then(lag(b).total_cmp(&lag(a)))
    });
    let row = |one: &&Value| {
        vec![
            text_of(&one["partition"]),
            text_of(&one["process"]),
            text_of(&one["watermark"]),
            seconds(&one["lag_seconds"]),
            count(&one["behind"]),
            match (one["holds_frontier"] == true, one["ended"] == true) {
                (true, _) => "holds the frontier",
                (false, true) => "has ended",
                (false, false) => "",
            }
            .to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = list.iter().take(PARTITIONS_SHOWN).map(row).collect();
    let names = ["partition", "process", "watermark", "lag", "behind", ""];
    let mut text = format!("\n{}", table(&names, &rows));
    if list.len() > PARTITIONS_SHOWN {
        text += &format!("and {} other partitions\n", list.len() - PARTITIONS_SHOWN);
    }
    text
}
