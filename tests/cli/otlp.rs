//! Logs that a run sends to a collector of OpenTelemetry, here a server of the test's own.

use super::observe::{Run, ask, sum, until};
use super::{Folder, tables};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};

/// A code and a document.
type Answer = (u16, &'static str);

const TAKEN: Answer = (200, "{}");

/// Takes logs until the tests end.
#[derive(Clone)]
struct Collector(Arc<Mutex<State>>);

struct State {
    address: String,
    answer: Answer,
    /// Each with the code that it was answered.
    requests: Vec<(u16, Value)>,
}

/// A record, with the part of the program that said it and the resource.
struct Record {
    code: u16,
    scope: String,
    resource: Value,
    told: Value,
}

impl Collector {
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = State { address, answer, requests: Vec::new() };
        let collector = Collector(Arc::new(Mutex::new(state)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let serving = collector.clone();
        std::thread::spawn(move || runtime.block_on(serving.serve(listener)));
        collector
    }

    async fn serve(self, listener: TcpListener) {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A run sends one batch at a time.
            let answer = service_fn(|request| self.take(request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        }
    }

    async fn take(&self, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
        let kind =
            request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        let is_ours = kind && request.method() == "POST" && request.uri().path() == "/v1/logs";
        let body = request.into_body().collect().await?.to_bytes();
        let mut state = self.state();
        let (code, text) = if is_ours { state.answer } else { (404, "") };
        state.requests.push((code, serde_json::from_slice(&body).unwrap_or_default()));
        let answer = Response::builder().status(code).body(Full::from(text));
        Ok(answer.unwrap())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn answers(&self, answer: Answer) {
        self.state().answer = answer;
    }

    fn requests(&self) -> usize {
        self.state().requests.len()
    }

    /// All records that came.
    fn records(&self) -> Vec<Record> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut records = Vec::new();
        for (code, document) in &self.state().requests {
            for logs in list(&document["resourceLogs"]) {
                let resource = plain(&logs["resource"]["attributes"]);
                for of in list(&logs["scopeLogs"]) {
                    let scope = of["scope"]["name"].as_str().unwrap().to_owned();
                    records.extend(list(&of["logRecords"]).into_iter().map(|told| Record {
                        code: *code,
                        scope: scope.clone(),
                        resource: resource.clone(),
                        told,
                    }));
                }
            }
        }
        records
    }

    /// Those that were taken and say this.
    fn taken(&self, what: &str) -> Vec<Record> {
        let says = |record: &Record| record.message().contains(what) && record.code == 200;
        self.records().into_iter().filter(says).collect()
    }
}

impl Record {
    fn message(&self) -> &str {
        self.told["body"]["stringValue"].as_str().unwrap()
    }
}

/// Attributes as an object of plain values.
fn plain(attributes: &Value) -> Value {
    let value = |of: &Value| {
        let (kind, value) = of.as_object().unwrap().iter().next().unwrap();
        match &**kind {
            "intValue" => value.as_str().unwrap().parse::<i64>().unwrap().into(),
            "stringValue" | "doubleValue" | "boolValue" => value.clone(),
            kind => panic!("{kind} is no kind of the protocol"),
        }
    };
    let pair = |of: &Value| (of["key"].as_str().unwrap().to_owned(), value(&of["value"]));
    Value::Object(attributes.as_array().unwrap().iter().map(pair).collect())
}

/// A session that goes on until it is interrupted, and tells of a checkpoint now and then.
fn config(address: &str, level: &str) -> String {
    format!(
        "[deployment]\nname = \"sent\"\n[cluster]\ncheckpoints = {{ every = \"500ms\" }}\n\
         [[source]]\nkind = \"simulator\"\npace = \"1x\"\n\
         [observe]\nlisten = \"127.0.0.1:0\"\nlogs = \"json\"\nlevel = \"{level}\"\n\
         otlp = \"http://{address}\"\n"
    )
}

fn started(folder: &Folder, collector: &Collector, level: &str) -> Run {
    let text = config(&collector.state().address, level);
    folder.file("cluster.toml", &text);
    Run::start(folder, "cluster.toml", "")
}

#[test]
fn logs_reach_a_collector_with_their_level_and_fields() {
    let folder = Folder::new();
    let collector = Collector::start(TAKEN);
    // What sends a batch has itself to say where, which must not be sent.
    let mut run = started(&folder, &collector, "info,hyper_util=trace");
    let address = run.address();
    until("three batches", || (collector.requests() >= 3).then_some(()));
    run.interrupt();
    let served = &collector.taken("metrics are served")[0];
    assert_eq!(
        served.resource,
        json!({
            "service.name": "tidemill",
            "service.namespace": "sent",
            "service.instance.id": "0",
            "service.version": env!("CARGO_PKG_VERSION"),
        })
    );
    assert_eq!(served.scope, "tidemill::observe::server");
    let level = (&served.told["severityNumber"], &served.told["severityText"]);
    assert_eq!(level, (&9.into(), &"INFO".into()));
    assert_eq!(plain(&served.told["attributes"])["address"], *address);
    let time: i64 = served.told["timeUnixNano"].as_str().unwrap().parse().unwrap();
    assert!(time > 1_700_000_000_000_000_000);
    let written = &collector.taken("checkpoint written")[0];
    let fields = plain(&written.told["attributes"]);
    assert!(fields["bytes"].is_i64() && fields["seconds"].is_f64(), "{fields}");
    let echo =
        collector.records().into_iter().find(|record| record.scope.starts_with("hyper_util"));
    assert!(echo.is_none(), "{}", echo.unwrap().told);
}

#[test]
fn the_level_is_that_of_the_configuration_and_last_words_are_sent() {
    let folder = Folder::new();
    let collector = Collector::start(TAKEN);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let text = config(&collector.state().address, "warn").replace("127.0.0.1:0", &listen);
    folder.file("cluster.toml", &text);
    folder.run(&["run"]).exits(1);
    let records = collector.records();
    assert_eq!(records.len(), 1);
    assert!(records[0].message().contains(&format!("observe.listen = \"{listen}\": ")));
    assert_eq!(records[0].told["severityText"], "ERROR");
}

#[test]
fn what_waited_for_a_collector_that_was_away_is_sent_once_it_is_back() {
    let folder = Folder::new();
    let collector = Collector::start((503, "later"));
    let mut run = started(&folder, &collector, "info");
    run.address();
    run.hear("takes no logs: it answers 503");
    run.hear("checkpoint written");
    collector.answers(TAKEN);
    run.interrupt();
    assert_eq!(collector.taken("metrics are served").len(), 1);
    assert!(!collector.taken("checkpoint written").is_empty());
    assert_eq!(collector.taken("takes no logs").len(), 0);
}

#[test]
fn what_a_collector_refuses_is_counted() {
    let folder = Folder::new();
    let collector = Collector::start((400, "no"));
    let mut run = started(&folder, &collector, "info");
    let address = run.address();
    let counted = |name: &str| {
        let (_, _, text) = ask(&address, "GET /metrics");
        sum(&text, &format!("tidemill_otlp_{name}_total")) as usize
    };
    until("all of a batch", || {
        let (refused, dropped) = (collector.records().len(), counted("dropped"));
        (refused > 0 && dropped == refused && counted("sent") == 0).then_some(())
    });
    let one_of_each = r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"old"}}"#;
    collector.answers((200, one_of_each));
    until("one of a batch", || {
        let (all, dropped, sent) = (collector.records(), counted("dropped"), counted("sent"));
        let refused = all.iter().filter(|record| record.code == 400).count();
        (sent > 1 && dropped > refused && sent + dropped == all.len()).then_some(())
    });
    run.hear("refuses logs: it answers 400 Bad Request");
    run.interrupt();
}

/// One that is not there, and one that takes a connection and says nothing.
#[test]
fn a_collector_that_is_away_changes_nothing_and_is_told_of() {
    let folder = Folder::new();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let without = "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 20000 }\n";
    folder.file("without.toml", without);
    folder.run(&["run", "--config", "without.toml", "--data", "without"]).exits(0);
    for (data, address) in [("gone", gone), ("mute", mute.local_addr().unwrap().to_string())] {
        let observe = format!(
            "[observe]\nlevel = \"info\"\nlisten = \"127.0.0.1:0\"\notlp = \"http://{address}\"\n"
        );
        folder.file("cluster.toml", &format!("{without}{observe}"));
        let said = folder.run(&["run", "--data", data]).exits(0).err();
        let told = said.lines().filter(|line| line.contains("takes no logs")).count();
        assert_eq!(told, usize::from(data == "gone"), "{said}");
        assert_eq!(tables(&folder.0, data), tables(&folder.0, "without"));
    }
}

#[test]
fn what_is_no_address_of_a_collector_stops_the_start() {
    let folder = Folder::new();
    let text = "[[source]]\nkind = \"simulator\"\n[observe]\notlp = \"collector:4318\"\n";
    folder.file("cluster.toml", text);
    folder.run(&["run"]).exits(2).says(
        "cluster.toml: observe.otlp = \"collector:4318\": an address is http://host:port or https://host:port",
    );
}
