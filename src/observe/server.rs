//! `/metrics`, `/health`, `/ready`, `/status` and `/live` over HTTP, from a thread of its own.

use super::Observed;
use super::conditions::Found;
use super::live::{Door, Pace, STALL_MAX, SUBSCRIBERS_MAX, Subscriber};
use super::metrics::exposition;
use super::seen::Seen;
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Connections at a time; one more is closed unheard.
const CONNECTIONS_MAX: usize = 64;
/// How long a caller may take to ask.
const ASK_WAIT: Duration = Duration::from_secs(5);
/// How long a connection may last in all.
const CALL_MAX: Duration = Duration::from_secs(30);
/// What may wait for a caller before the socket, and in it: one who reads slowly finds no more than that of old values.
const BUFFER_BYTES: usize = 1 << 16;
/// Much less would wait for the other side's delayed acknowledgements.
const SOCKET_BYTES: usize = 1 << 20;
/// Between two looks whether the run has ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";
/// A document a line.
const LINES: &str = "application/x-ndjson";

/// Serves what is observed until the run has ended.
///
/// # Errors
/// Fails when the address cannot be listened at.
pub(super) fn start(address: &str, observed: Arc<Observed>) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tracing::info!(address = %bound, "metrics are served at http://{bound}/metrics");
    let serve = move || LocalSet::new().block_on(&runtime, serve(listener, observed));
    std::thread::Builder::new().name("observe".to_owned()).spawn(serve)?;
    Ok(())
}

type Answer = Response<Either<Full<Bytes>, Subscriber>>;

async fn serve(listener: TcpListener, observed: Arc<Observed>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let door = observed.live.clone().map(Door::new);
    if let Some(door) = &door {
        tokio::task::spawn_local(door.clone().pump());
    }
    let calls = Rc::new(());
    while !observed.closed.load(Ordering::SeqCst) {
        let Ok(accepted) = tokio::time::timeout(LOOK_EVERY, listener.accept()).await else {
            continue;
        };
        let Ok((stream, _)) = accepted else {
            // No more sockets: those that are open end soon.
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        if Rc::strong_count(&calls) > CONNECTIONS_MAX {
            continue;
        }
        let (observed, door, call) = (observed.clone(), door.clone(), calls.clone());
        tokio::task::spawn_local(async move {
            let _call = call;
            // A caller that hung up, or asked what is no HTTP, is told nothing.
            let _ = hear(stream, &observed, door.as_ref()).await;
        });
    }
}

/// Answers a connection's one question, as long as that may take.
async fn hear(stream: TcpStream, observed: &Observed, door: Option<&Rc<Door>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&stream, SOCKET_BYTES)?;
    let pace = Rc::new(Cell::new(Pace::Asking));
    let answer = service_fn(|request: Request<Incoming>| {
        let answer = match (request.uri().path(), door) {
            ("/live", Some(door)) if *request.method() == Method::GET => {
                live(door, request.uri().query(), &pace)
            }
            _ => answer(observed, &request).map(Either::Left),
        };
        async { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(ASK_WAIT)
        .keep_alive(false)
        .max_buf_size(BUFFER_BYTES);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), answer));
    let began = super::now();
    while tokio::time::timeout(LOOK_EVERY, served.as_mut()).await.is_err() {
        let is_over = match pace.get() {
            Pace::Asking => began.elapsed() > CALL_MAX,
            Pace::Idle => false,
            Pace::Given(since) => since.elapsed() > STALL_MAX,
        };
        if is_over {
            break;
        }
    }
    Ok(())
}

/// The live view, or why there is none for this caller.
fn live(door: &Rc<Door>, query: Option<&str>, pace: &Rc<Cell<Pace>>) -> Answer {
    let refused = match door.subscribe(query, pace) {
        Ok(subscriber) => {
            let mut response = Response::new(Either::Right(subscriber));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(LINES));
            return response;
        }
        Err(Some(what)) => told(StatusCode::BAD_REQUEST, &json!({"error": what})),
        Err(None) => {
            let what = format!("there are {SUBSCRIBERS_MAX} subscribers, as many as may be");
            let mut refused = told(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": what}));
            refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
            refused
        }
    };
    refused.map(Either::Left)
}

fn answer(observed: &Observed, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return told(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "only GET is answered"}));
    }
    let seen = || Seen::of(observed);
    match request.uri().path() {
        "/metrics" => response(StatusCode::OK, OPEN_METRICS, exposition(seen())),
        "/status" => told(StatusCode::OK, &seen().json()),
        "/health" => verdict(&seen(), |found| found.condition.is_sick()),
        "/ready" => verdict(&seen(), |found| found.condition.is_unready()),
        "/live" if observed.live.is_none() => {
            told(StatusCode::NOT_FOUND, &json!({"error": "observe.live is not set"}))
        }
        "/live" => response(StatusCode::OK, LINES, String::new()),
        _ => {
            let paths = ["/metrics", "/health", "/ready", "/status", "/live"];
            told(StatusCode::NOT_FOUND, &json!({"error": "no such path", "paths": paths}))
        }
    }
}

/// 503 where something counts that was found.
fn verdict(seen: &Seen, counts: impl Fn(&Found) -> bool) -> Response<Full<Bytes>> {
    let found: Vec<Found> = seen.conditions().into_iter().filter(counts).collect();
    let conditions: Vec<Value> = found.iter().map(Found::json).collect();
    let code = if found.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    told(code, &json!({"ok": found.is_empty(), "conditions": conditions}))
}

fn told(code: StatusCode, document: &Value) -> Response<Full<Bytes>> {
    response(code, JSON, format!("{document:#}\n"))
}

fn response(code: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
