//! Where logs are sent to.

use reqwest::Url;
use std::fmt;

/// Behind a collector's address, as the protocol names it.
const LOGS: &str = "/v1/logs";

/// A collector of OpenTelemetry: an address of http or https, without query or fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Collector(Url);

impl Collector {
    pub(super) const RULE: &str =
        "an address is http://host:port or https://host:port, to which /v1/logs is added";

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url: Url = text.parse().ok()?;
        let is_http = matches!(url.scheme(), "http" | "https");
        let is_plain = url.query().is_none() && url.fragment().is_none();
        // It would be added a second time, and no collector knows that path.
        let is_whole = url.path().trim_end_matches('/').ends_with(LOGS);
        (is_http && is_plain && !is_whole).then_some(Collector(url))
    }

    /// Where it takes logs.
    pub(crate) fn logs(&self) -> Url {
        let mut url = self.0.clone();
        let path = format!("{}{LOGS}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    /// Whether it is asked for a certificate.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// Without a name and password, which may stand in it.
impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_go_behind_the_address() {
        let logs = |text| Collector::parse(text).map(|collector| collector.logs().to_string());
        let plain = "http://collector:4318/v1/logs";
        assert_eq!(logs("http://collector:4318").as_deref(), Some(plain));
        assert_eq!(logs("http://collector:4318/").as_deref(), Some(plain));
        assert_eq!(logs("https://c/otlp/").as_deref(), Some("https://c/otlp/v1/logs"));
    }

    #[test]
    fn what_is_no_address_of_a_collector_is_refused() {
        for bad in
            ["", "collector:4318", "http://", "grpc://c:4317", "http://c?a=b", "http://c/v1/logs/"]
        {
            assert_eq!(Collector::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let collector = Collector::parse("https://name:hunter2@c:1/x").expect("an address");
        assert_eq!(format!("{collector} {collector:?}"), "https://c:1 Collector(https://c:1)");
    }
}
