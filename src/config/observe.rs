//! The rules of `[observe]`, and where each process is asked.

use super::raw;
use super::tree::{ConfigError, Tree};
use super::{Collector, Config};

/// What a run tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObserveConfig {
    /// Host and port that the first process of a machine serves at; nothing: none does.
    pub listen: Option<(String, u16)>,
    /// Whether `/live` is served there.
    pub live: bool,
    /// Whether log lines are JSON.
    pub json: bool,
    /// What is logged.
    pub level: String,
    /// Where logs are sent to besides; nothing: nowhere.
    pub otlp: Option<Collector>,
}

impl Config {
    /// What a run tells of itself.
    pub fn observe(&self) -> &ObserveConfig {
        &self.observe
    }
}

impl ObserveConfig {
    /// Where process number `process` of `processes` listens.
    pub fn listens(&self, processes: &[String], process: usize) -> Option<String> {
        let (host, port) = self.listen.as_ref()?;
        Some(format!("{host}:{}", port_of(*port, processes, process)))
    }

    /// Where it is asked: at the host that the other processes find it at, unless it serves only its own machine.
    pub fn asked_at(&self, processes: &[String], process: usize) -> Option<String> {
        let (host, port) = self.listen.as_ref()?;
        let is_any = matches!(host.as_str(), "0.0.0.0" | "[::]");
        let host = match processes.get(process) {
            Some(address) if is_any => host_of(address),
            None if is_any => "127.0.0.1",
            _ => host,
        };
        Some(format!("{host}:{}", port_of(*port, processes, process)))
    }
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// One port further for each process before it on the same host.
fn port_of(port: u16, processes: &[String], process: usize) -> u16 {
    let Some(own) = processes.get(process).map(|address| host_of(address)) else { return port };
    let before = processes[..process].iter().filter(|address| host_of(address) == own).count();
    if port == 0 { 0 } else { port.saturating_add(u16::try_from(before).unwrap_or(u16::MAX)) }
}

pub(super) fn observe(tree: &Tree, raw: &raw::Observe) -> Result<ObserveConfig, ConfigError> {
    let listen = |text: &String| {
        let (host, port) = text.rsplit_once(':').filter(|(host, _)| !host.is_empty())?;
        Some((host.to_owned(), port.parse().ok()?))
    };
    let listen = match &raw.listen {
        None => None,
        Some(text) => Some(listen(text).ok_or_else(|| {
            tree.error("observe.listen", "an address is host:port, as 127.0.0.1:9100")
        })?),
    };
    if raw.live && listen.is_none() {
        return Err(tree.error("observe.live", "it is served at observe.listen, which is not set"));
    }
    if !crate::observe::is_level(&raw.level) {
        let rule = "off, error, warn, info, debug, trace, or by part, as info,kafka=debug";
        return Err(tree.error("observe.level", rule));
    }
    let otlp = raw.otlp.as_deref().map(|text| {
        Collector::parse(text).ok_or_else(|| tree.error("observe.otlp", Collector::RULE))
    });
    let (json, level) = (raw.logs == "json", raw.level.clone());
    Ok(ObserveConfig { listen, live: raw.live, json, level, otlp: otlp.transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_one_host_have_ports_in_a_row() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let at = |host: &str, port| ObserveConfig {
            listen: Some((host.to_owned(), port)),
            live: false,
            json: false,
            level: "warn".to_owned(),
            otlp: None,
        };
        let mixed = list(&["a:1", "b:1", "a:2"]);
        let all = |observe: &ObserveConfig, asked: bool| -> Vec<String> {
            let of = |process| match asked {
                true => observe.asked_at(&mixed, process),
                false => observe.listens(&mixed, process),
            };
            (0..3).filter_map(of).collect()
        };
        assert_eq!(all(&at("0.0.0.0", 9), false), ["0.0.0.0:9", "0.0.0.0:9", "0.0.0.0:10"]);
        assert_eq!(all(&at("0.0.0.0", 9), true), ["a:9", "b:9", "a:10"]);
        assert_eq!(all(&at("127.0.0.1", 9), true), ["127.0.0.1:9", "127.0.0.1:9", "127.0.0.1:10"]);
        assert_eq!(all(&at("h", 0), false), ["h:0", "h:0", "h:0"]);
        assert_eq!(at("0.0.0.0", 9).asked_at(&[], 0).as_deref(), Some("127.0.0.1:9"));
    }
}
