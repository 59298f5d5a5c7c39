//! Logs on standard error: a line for each event, as text or JSON, with the fields of the run.
//!
//! The thread says which worker (`timely:work-1`) or partition (`kafka-3`) spoke; what else an event is about it says
//! by fields of its own.

use std::fmt::{self, Write};
use std::io::{IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged wins over the configuration by this variable.
const VARIABLE: &str = "TIDEMILL_LOG";
/// Characters of a value that are written.
const VALUE_MAX: usize = 4_000;

/// Whether text says what is to be logged.
pub(crate) fn is_level(text: &str) -> bool {
    // Alone, a word would be taken for the name of a part.
    let is_word =
        |word: &str| !word.trim().is_empty() && word.trim().parse::<LevelFilter>().is_ok();
    let is_one = |given: &str| match given.split_once('=') {
        Some((part, word)) => part.split_whitespace().count() == 1 && is_word(word),
        None => is_word(given),
    };
    text.split(',').all(is_one) && text.parse::<Targets>().is_ok()
}

/// How lines are written, and whose they are.
#[derive(Clone, Debug, Default)]
struct Style {
    json: bool,
    /// The deployment, and the number of the process; of a run.
    run: Option<(String, usize)>,
}

static STYLE: Mutex<Style> = Mutex::new(Style { json: false, run: None });

/// Changes what is logged.
type Reload = reload::Handle<Targets, tracing_subscriber::Registry>;

static RELOAD: Mutex<Option<Reload>> = Mutex::new(None);

/// Logs from now on: what the variable says, else warnings.
pub(crate) fn log_to_stderr() {
    let level = from_variable().unwrap_or_else(|| Targets::new().with_default(Level::WARN));
    let (level, reload) = reload::Layer::new(level);
    let registry = tracing_subscriber::registry().with(level).with(Lines);
    // Where another logs already, it goes on.
    if registry.try_init().is_ok() {
        *RELOAD.lock().unwrap_or_else(PoisonError::into_inner) = Some(reload);
    }
}

/// Logs as a run's process is configured to.
pub(crate) fn log_as(json: bool, level: &str, deployment: &str, process: usize) {
    let run = Some((deployment.to_owned(), process));
    *STYLE.lock().unwrap_or_else(PoisonError::into_inner) = Style { json, run };
    let level = from_variable().or_else(|| level.parse().ok());
    let reload = RELOAD.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some(reload), Some(level)) = (&*reload, level) {
        // It is gone only where nothing logs any more.
        let _gone = reload.reload(level);
    }
}

/// A message of the command as a line of the log, where that is JSON.
pub(crate) fn as_json(message: &str) -> Option<String> {
    let style = STYLE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let fields = Fields { message: message.to_owned(), rest: Vec::new() };
    style.json.then(|| line(("ERROR", "tidemill"), fields, &style))
}

/// Whether log lines are JSON.
pub(crate) fn is_json() -> bool {
    STYLE.lock().unwrap_or_else(PoisonError::into_inner).json
}

fn from_variable() -> Option<Targets> {
    std::env::var(VARIABLE).ok().filter(|text| is_level(text))?.parse().ok()
}

/// Writes a line for each event.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let style = STYLE.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = line((metadata.level().as_str(), metadata.target()), fields, &style);
        let mut err = std::io::stderr().lock();
        // A line of progress may stand there.
        let wipe = if err.is_terminal() { "\r\x1b[2K" } else { "" };
        let _ = writeln!(err, "{wipe}{line}");
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(&'static str, serde_json::Value)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: serde_json::Value) {
        match (field.name(), value) {
            ("message", serde_json::Value::String(text)) => self.message = text,
            (name, value) => self.rest.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to memory does not fail; what writes itself may, and is left as far as it came.
        let _ = write!(text, "{value:?}");
        self.put(field, text.chars().take(VALUE_MAX).collect::<String>().into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.chars().take(VALUE_MAX).collect::<String>().into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// One line without its end.
#[expect(clippy::disallowed_methods, reason = "a log says when")]
fn line((level, target): (&str, &str), mut fields: Fields, style: &Style) -> String {
    let time = crate::engine::time_of(std::time::SystemTime::now()).to_string();
    if let Some((deployment, process)) = &style.run {
        fields.rest.push(("deployment", deployment.as_str().into()));
        fields.rest.push(("process", (*process).into()));
    }
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or_default();
    match thread.strip_prefix("timely:work-").and_then(|number| number.parse::<u64>().ok()) {
        Some(worker) => fields.rest.push(("worker", worker.into())),
        None if !thread.is_empty() => fields.rest.push(("thread", thread.into())),
        None => {}
    }
    if style.json {
        let mut document = serde_json::Map::new();
        document.insert("time".to_owned(), time.into());
        document.insert("level".to_owned(), level.to_ascii_lowercase().into());
        document.insert("target".to_owned(), target.into());
        document.insert("message".to_owned(), fields.message.into());
        let rest = fields.rest.into_iter().map(|(name, value)| (name.to_owned(), value));
        document.extend(rest);
        return serde_json::Value::Object(document).to_string();
    }
    // Whatever it repeats, a message is one line and changes no terminal.
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut text = format!("{time} {level:5} {target}: ");
    text.extend(fields.message.chars().map(plain));
    for (name, value) in fields.rest {
        // As JSON, text stands in quotes and on one line.
        let _ = write!(text, " {name}={value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::is_level;

    #[test]
    fn levels_are_words_alone_or_by_part() {
        for good in ["warn", "off", "info,kafka=debug", "tidemill=trace, warn"] {
            assert!(is_level(good), "{good}");
        }
        for bad in ["", "loud", "info,", "kafka=loud", "=info", "info kafka=debug"] {
            assert!(!is_level(bad), "{bad}");
        }
    }
}
