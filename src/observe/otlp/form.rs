//! What is logged in the form of the protocol: one document of OTLP's JSON for a batch of records, by scope.
//!
//! Whole numbers of 64 bits are text there, and an attribute says its kind.

use crate::observe::logs::Said;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tracing::Level;

/// One record, as it is sent.
pub(super) struct Record {
    /// Which part of the program said it.
    scope: &'static str,
    text: Box<RawValue>,
}

impl Record {
    /// What was said.
    pub fn of(said: &Said) -> Self {
        let time = said.time.ns().to_string();
        let fields = said.fields.iter().chain(&said.place);
        let document = json!({
            "timeUnixNano": time,
            "observedTimeUnixNano": time,
            "severityNumber": severity(said.level),
            "severityText": said.level.as_str(),
            "body": {"stringValue": said.message},
            "attributes": attributes(fields.map(|(name, value)| (*name, value))),
        });
        let text = to_raw_value(&document).expect("JSON is written to memory");
        Record { scope: said.target, text }
    }

    /// How much memory it takes, nearly.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.get().len()
    }

    #[cfg(test)]
    pub fn of_text(text: &str) -> Self {
        Record { scope: "test", text: to_raw_value(text).expect("JSON is written to memory") }
    }
}

/// The first number of each of the protocol's ranges.
fn severity(level: Level) -> u8 {
    match level {
        Level::TRACE => 1,
        Level::DEBUG => 5,
        Level::INFO => 9,
        Level::WARN => 13,
        Level::ERROR => 17,
    }
}

fn attributes<'a>(pairs: impl Iterator<Item = (&'a str, &'a Value)>) -> Value {
    pairs.map(|(key, value)| json!({"key": key, "value": any(value)})).collect()
}

/// A value with its kind; what has none there is text.
fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"boolValue": value}),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => json!({"intValue": whole.to_string()}),
            (None, Some(beyond)) => json!({"stringValue": beyond.to_string()}),
            (None, None) => json!({"doubleValue": number}),
        },
        Value::String(text) => json!({"stringValue": text}),
        other => json!({"stringValue": other.to_string()}),
    }
}

/// Whose records they are, by OpenTelemetry's names for it.
pub(super) fn resource(deployment: &str, process: usize) -> Value {
    let whose = [
        ("service.name", "tidemill".into()),
        ("service.namespace", deployment.into()),
        ("service.instance.id", process.to_string().into()),
        ("service.version", env!("CARGO_PKG_VERSION").into()),
    ];
    json!({"attributes": attributes(whose.iter().map(|(name, value)| (*name, value)))})
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logs<'a> {
    resource_logs: [ResourceLogs<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    resource: &'a Value,
    scope_logs: Vec<ScopeLogs<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    scope: Scope<'a>,
    log_records: Vec<&'a RawValue>,
}

#[derive(Serialize)]
struct Scope<'a> {
    name: &'a str,
}

/// A batch as it is sent.
pub(super) fn document(resource: &Value, batch: &[Record]) -> Vec<u8> {
    let mut scopes: BTreeMap<&str, Vec<&RawValue>> = BTreeMap::new();
    for record in batch {
        scopes.entry(record.scope).or_default().push(&record.text);
    }
    let of = |(name, log_records)| ScopeLogs { scope: Scope { name }, log_records };
    let scope_logs = scopes.into_iter().map(of).collect();
    let logs = Logs { resource_logs: [ResourceLogs { resource, scope_logs }] };
    serde_json::to_vec(&logs).expect("JSON is written to memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::Time;

    #[test]
    fn a_batch_is_a_document_of_the_protocol() {
        let said = Said {
            level: Level::WARN,
            target: "kafka",
            time: Time::from_ns(1_700_000_000_123_456_789),
            message: "a \"line\"".to_owned(),
            fields: vec![
                ("partition", "t/0".into()),
                ("offset", (-7).into()),
                ("beyond", u64::MAX.into()),
                ("share", 0.5.into()),
                ("nothing", f64::NAN.into()),
                ("late", true.into()),
            ],
            place: Some(("worker", 3.into())),
        };
        let other =
            Said { target: "a", message: String::new(), fields: vec![], place: None, ..said };
        let batch = [&said, &other, &said].map(Record::of);
        let document: Value =
            serde_json::from_slice(&document(&resource("prod", 2), &batch)).expect("JSON");
        let record = json!({
            "timeUnixNano": "1700000000123456789",
            "observedTimeUnixNano": "1700000000123456789",
            "severityNumber": 13,
            "severityText": "WARN",
            "body": {"stringValue": "a \"line\""},
            "attributes": [
                {"key": "partition", "value": {"stringValue": "t/0"}},
                {"key": "offset", "value": {"intValue": "-7"}},
                {"key": "beyond", "value": {"stringValue": "18446744073709551615"}},
                {"key": "share", "value": {"doubleValue": 0.5}},
                {"key": "nothing", "value": {}},
                {"key": "late", "value": {"boolValue": true}},
                {"key": "worker", "value": {"intValue": "3"}},
            ],
        });
        let logs = &document["resourceLogs"][0];
        let instance = json!({"key": "service.instance.id", "value": {"stringValue": "2"}});
        assert_eq!(logs["resource"]["attributes"][2], instance);
        assert_eq!(logs["scopeLogs"][0]["scope"], json!({"name": "a"}));
        assert_eq!(logs["scopeLogs"][0]["logRecords"].as_array().map(Vec::len), Some(1));
        assert_eq!(logs["scopeLogs"][1]["scope"], json!({"name": "kafka"}));
        assert_eq!(logs["scopeLogs"][1]["logRecords"], json!([record, record]));
    }
}
