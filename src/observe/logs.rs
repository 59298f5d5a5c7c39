//! Logs on standard error: a line for each event, as text or JSON, with the fields of the run; and where they are
//! sent from.
//!
//! The thread says which worker (`timely:work-1`) or partition (`kafka-3`) spoke; what else an event is about it says
//! by fields of its own.

use super::measures::held;
use super::otlp;
use crate::config::Config;
use crate::engine::EngineError;
use market::Time;
use serde_json::Value;
use std::fmt::{self, Write};
use std::io::{IsTerminal, Write as _};
use std::sync::Mutex;
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
        *held(&RELOAD) = Some(reload);
    }
}

/// Logs as a run's process is configured to, and sends what is logged where that is configured.
///
/// # Errors
/// Fails when nothing can be sent from here.
pub(crate) fn log_as(config: &Config, process: usize) -> Result<(), EngineError> {
    let (observe, deployment) = (config.observe(), config.name());
    *held(&STYLE) = Style { json: observe.json, run: Some((deployment.to_owned(), process)) };
    let level = from_variable().or_else(|| observe.level.parse().ok());
    if let (Some(reload), Some(level)) = (&*held(&RELOAD), level) {
        // It is gone only where nothing logs any more.
        let _gone = reload.reload(level);
    }
    let Some(collector) = &observe.otlp else { return Ok(()) };
    otlp::start(collector, deployment, process)
        .map_err(|error| EngineError::Failed(format!("observe.otlp = \"{collector}\": {error}")))
}

/// A message of the command is sent where the log is, and a line of it where that is JSON.
pub(crate) fn log_message(message: &str) -> Option<String> {
    let style = held(&STYLE).clone();
    let fields = Fields { message: message.to_owned(), rest: Vec::new() };
    let said = Said::now(Level::ERROR, "tidemill", fields);
    otlp::send(&said);
    style.json.then(|| said.line(&style))
}

/// Whether log lines are JSON.
pub(crate) fn is_json() -> bool {
    held(&STYLE).json
}

fn from_variable() -> Option<Targets> {
    std::env::var(VARIABLE).ok().filter(|text| is_level(text))?.parse().ok()
}

/// Writes a line for each event, and sends it.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let said = Said::now(*metadata.level(), metadata.target(), fields);
        otlp::send(&said);
        let style = held(&STYLE).clone();
        let line = said.line(&style);
        let mut err = std::io::stderr().lock();
        // A line of progress may stand there.
        let wipe = if err.is_terminal() { "\r\x1b[2K" } else { "" };
        let _ = writeln!(err, "{wipe}{line}");
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(&'static str, Value)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
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

/// What an event or the command says.
pub(super) struct Said {
    pub level: Level,
    /// Which part of the program says it.
    pub target: &'static str,
    pub time: Time,
    pub message: String,
    pub fields: Vec<(&'static str, Value)>,
    /// The worker or the thread that says it.
    pub place: Option<(&'static str, Value)>,
}

impl Said {
    /// Said now, and by this thread.
    #[expect(clippy::disallowed_methods, reason = "a log says when")]
    fn now(level: Level, target: &'static str, fields: Fields) -> Self {
        let time = crate::engine::time_of(std::time::SystemTime::now());
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        let worker = thread.strip_prefix("timely:work-").and_then(|n| n.parse::<u64>().ok());
        let place = match worker {
            Some(worker) => Some(("worker", worker.into())),
            None => (!thread.is_empty()).then(|| ("thread", thread.into())),
        };
        Said { level, target, time, message: fields.message, fields: fields.rest, place }
    }

    /// One line without its end.
    fn line(self, style: &Style) -> String {
        let (time, mut rest) = (self.time.to_string(), self.fields);
        if let Some((deployment, process)) = &style.run {
            rest.push(("deployment", deployment.as_str().into()));
            rest.push(("process", (*process).into()));
        }
        rest.extend(self.place);
        if style.json {
            let mut document = serde_json::Map::new();
            document.insert("time".to_owned(), time.into());
            document.insert("level".to_owned(), self.level.as_str().to_ascii_lowercase().into());
            document.insert("target".to_owned(), self.target.into());
            document.insert("message".to_owned(), self.message.into());
            document.extend(rest.into_iter().map(|(name, value)| (name.to_owned(), value)));
            return Value::Object(document).to_string();
        }
        // Whatever it repeats, a message is one line and changes no terminal.
        let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let mut text = format!("{time} {:5} {}: ", self.level.as_str(), self.target);
        text.extend(self.message.chars().map(plain));
        for (name, value) in rest {
            // As JSON, text stands in quotes and on one line.
            let _ = write!(text, " {name}={value}");
        }
        text
    }
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
