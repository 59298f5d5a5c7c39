//! What differs between the configuration and input that checkpoints were made with and those of a run: what
//! cannot change within a lineage, and which indicators were added or removed.

use super::topics::is_of_topics;
use std::collections::BTreeSet;

/// Parts by name, as the manifest holds them.
pub(crate) type Facts = [(String, String)];

/// The part that may change: more indicators warm up, fewer leave their columns as they are.
const INDICATORS: &str = "indicators";

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// One line for each part that cannot.
    pub refused: Vec<String>,
    /// Indicators that were not there, as `ema(12) on 1min`.
    pub added: Vec<String>,
    /// Indicators that are not there any more.
    pub removed: Vec<String>,
}

impl Changes {
    /// Whether everything is as it was.
    pub fn is_empty(&self) -> bool {
        self == &Changes::default()
    }

    /// From what a manifest holds to what is given. Partitions of topics, and where inputs begin, are told by the
    /// manifest alone.
    pub fn between(known: &Facts, given: &Facts) -> Self {
        let (was, is) = (indicators(known), indicators(given));
        let parts = |facts: &Facts| -> Vec<(String, String)> {
            let is_fixed = |name: &str| name != INDICATORS && !is_of_topics(name);
            facts.iter().filter(|(name, _)| is_fixed(name)).cloned().collect()
        };
        Changes {
            refused: refused(&parts(known), &parts(given)),
            added: is.difference(&was).map(line).collect(),
            removed: was.difference(&is).map(line).collect(),
        }
    }
}

/// The parts of a manifest that goes on with other indicators.
pub(crate) fn renewed(known: &Facts, given: &Facts) -> Vec<(String, String)> {
    let (mut parts, begins): (Vec<_>, Vec<_>) =
        known.iter().cloned().partition(|(name, _)| !is_of_topics(name));
    parts.retain(|(name, _)| name != INDICATORS);
    parts.extend(given.iter().filter(|(name, _)| name == INDICATORS).cloned());
    parts.extend(begins);
    parts
}

fn line((width, indicator): &(String, String)) -> String {
    format!("{indicator} on {width}")
}

/// One line for each name whose values differ: several parts may have one name, as those of scales.
fn refused(known: &Facts, given: &Facts) -> Vec<String> {
    let all: BTreeSet<&(String, String)> = given.iter().collect();
    let before: BTreeSet<&(String, String)> = known.iter().collect();
    let gone = known.iter().filter(|part| !all.contains(part));
    let new: Vec<_> = given.iter().filter(|part| !before.contains(part)).collect();
    let mut names: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for (name, was) in gone {
        if !names.contains(&name.as_str()) {
            names.push(name);
            let is = new.iter().find(|part| part.0 == *name);
            let is = is.map_or_else(|| "absent".to_owned(), |(_, is)| is.clone());
            lines.push(format!("{} = {was}, not {is}", key_of(name)));
        }
    }
    for (name, is) in new {
        if !names.contains(&name.as_str()) {
            names.push(name);
            lines.push(format!("{} = absent, not {is}", key_of(name)));
        }
    }
    lines
}

/// The key of the configuration that a part comes from.
fn key_of(name: &str) -> String {
    let (plain, source) = match name.split_once(" of source ") {
        Some((plain, number)) => (plain, format!(" of source {number}")),
        None => (name, String::new()),
    };
    let key = match plain {
        "epoch" => "cluster.epoch",
        "lateness" => "source.lateness",
        "horizon" => "source.horizon",
        "max_ahead" => "source.max_ahead",
        "max_jump" => "source.max_jump",
        "layout" => "the layout of source.columns, where and codec",
        "topics" => "source.topics",
        "repartition" => "source.repartition",
        "conditions" => "source.conditions",
        "simulator" => "source.simulator",
        "outliers" => "admission.outliers",
        "scale" => "universe.file",
        "unknown_symbols" => "universe.defaults.unknown_symbols",
        "empty" => "bars.empty",
        "widths" => "bars.widths",
        "zones" => "the program's time zones",
        "results" => "the program's results",
        other => other,
    };
    format!("{key}{source}")
}

/// Indicators by width: the parts are `sma(20), macd(12,26,9) on 1min, 5min`.
fn indicators(facts: &Facts) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for (_, text) in facts.iter().filter(|(name, _)| name == INDICATORS) {
        let Some((list, widths)) = text.rsplit_once(" on ") else { continue };
        for width in widths.split(", ") {
            for indicator in split(list) {
                all.insert((width.to_owned(), indicator.to_owned()));
            }
        }
    }
    all
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0i32;
    let outside = move |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth <= 0
    };
    text.split(outside).map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(parts: &[(&str, &str)]) -> Vec<(String, String)> {
        parts.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn what_cannot_change_is_told_apart_from_what_warms_up() {
        let known = facts(&[
            ("epoch", "1s"),
            ("lateness", "2s"),
            ("scale", "A 2 3"),
            ("indicators", "sma(20), ema(20, of=volume) on 1min, 5min"),
            ("topic t/0", "an id"),
            ("start t/0", "17"),
        ]);
        let same = facts(&[("epoch", "1s"), ("lateness", "2s"), ("scale", "A 2 3")]);
        let list = facts(&[
            ("indicators", "sma(20) on 1min, 5min"),
            ("indicators", "ema(20, of=volume) on 1min, 5min"),
        ]);
        assert!(Changes::between(&known, &[same.clone(), list].concat()).is_empty());
        let other = facts(&[
            ("epoch", "1s"),
            ("lateness", "3s"),
            ("unknown_symbols", "refuse"),
            ("repartition", "true"),
            ("topics", "t, u"),
            ("indicators", "sma(20) on 5min"),
            ("indicators", "sma(20) v2 on 1min"),
        ]);
        let changes = Changes::between(&known, &other);
        assert_eq!(
            changes.refused,
            [
                "source.lateness = 2s, not 3s",
                "universe.file = A 2 3, not absent",
                "universe.defaults.unknown_symbols = absent, not refuse",
                "source.repartition = absent, not true",
                "source.topics = absent, not t, u",
            ]
        );
        assert_eq!(changes.added, ["sma(20) v2 on 1min"]);
        assert_eq!(
            changes.removed,
            ["ema(20, of=volume) on 1min", "sma(20) on 1min", "ema(20, of=volume) on 5min"]
        );
        let renewed = renewed(&known, &other);
        assert_eq!(
            renewed[3..],
            facts(&[
                ("indicators", "sma(20) on 5min"),
                ("indicators", "sma(20) v2 on 1min"),
                ("topic t/0", "an id"),
                ("start t/0", "17")
            ])
        );
        assert!(Changes::between(&renewed, &renewed).is_empty());
    }
}
