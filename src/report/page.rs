//! `report.html`: the page with its style, script and data inside.

use super::collect::{Collected, Entry, Series};
use crate::engine::Summary;
use market::{Decimal, Width};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

impl Collected {
    /// The page of a run; `subtitle` says what was run.
    pub fn page(&self, subtitle: &str, summary: &Summary) -> String {
        // A `<` inside a script element could end it.
        let data = self.data(subtitle, summary).to_string().replace('<', "\\u003c");
        PAGE.replacen("/*STYLE*/", STYLE, 1)
            .replacen("/*SCRIPT*/", SCRIPT, 1)
            .replacen("/*DATA*/", &data, 1)
    }

    fn data(&self, subtitle: &str, summary: &Summary) -> Value {
        let counts = &summary.counts;
        let widths: Vec<Width> = self
            .symbols
            .values()
            .next()
            .map_or_else(Vec::new, |widths| widths.keys().copied().collect());
        let symbols: Vec<Value> = self
            .symbols
            .iter()
            .filter(|(_, own)| widths.iter().all(|width| own.contains_key(width)))
            .filter_map(|(name, own)| Some(self.symbol(name, own, widths.first()?)))
            .collect();
        let refused: Vec<Value> = self
            .refused
            .iter()
            .map(|(reason, (count, letter))| json!([reason, count, letter.detail, letter.raw]))
            .collect();
        let stored: Vec<Value> =
            summary.tables.iter().map(|t| json!([t.name, t.rows(), t.revised])).collect();
        json!({
            "subtitle": subtitle,
            "tiles": [
                ["read", counts.read], ["used", counts.used], ["refused", counts.refused_total()],
                ["late", counts.late], ["rows", summary.tables.iter().map(|t| t.rows()).sum::<u64>()],
                ["revised", summary.revised()],
            ],
            "widths": widths.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "columns": self.columns,
            "refused": refused,
            "stored": stored,
            "symbols": symbols,
        })
    }

    fn symbol(&self, name: &str, own: &BTreeMap<Width, Series>, first: &Width) -> Value {
        let base = &own[first];
        let digits = own.values().map(Series::digits).max().unwrap_or(0);
        let widths: Map<String, Value> = own
            .iter()
            .map(|(width, series)| (width.to_string(), self.series(*width, series, digits)))
            .collect();
        json!({
            "name": name,
            "digits": digits,
            "last": base.last().map(|entry| price(entry.bar.close.decimal(base.scales.price))),
            "change": rounded(base.change_percent(), 3),
            "revised": base.revised(),
            "widths": widths,
        })
    }

    /// Columns side by side: times in seconds, prices, volumes, revisions, indicators.
    fn series(&self, width: Width, series: &Series, digits: usize) -> Value {
        let scale = series.scales.price;
        let list = |of: &dyn Fn(&Entry) -> Value| series.bars.values().map(of).collect::<Vec<_>>();
        let revised: Map<String, Value> = series
            .bars
            .values()
            .enumerate()
            .filter_map(|(at, entry)| Some((at.to_string(), revision(series, entry)?)))
            .collect();
        let indicators: Map<String, Value> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let value = |entry: &Entry| {
                    entry
                        .indicators
                        .get(at)
                        .map_or(Value::Null, |value| rounded(*value, digits + 2))
                };
                (name.clone(), list(&value).into())
            })
            .collect();
        json!({
            "s": width.seconds(),
            "t": list(&|entry| (entry.bar.ts_open.ns() / 1_000_000_000).into()),
            "o": list(&|entry| price(entry.bar.open.decimal(scale))),
            "h": list(&|entry| price(entry.bar.high.decimal(scale))),
            "l": list(&|entry| price(entry.bar.low.decimal(scale))),
            "c": list(&|entry| price(entry.bar.close.decimal(scale))),
            "v": list(&|entry| price(entry.bar.volume_decimal(series.scales))),
            "r": revised,
            "i": indicators,
        })
    }
}

/// What a revised bar was first: `[revisions, open, high, low, close, volume, known at]`.
fn revision(series: &Series, entry: &Entry) -> Option<Value> {
    let was = entry.first.as_ref()?;
    let scale = series.scales.price;
    Some(json!([
        entry.revision,
        price(was.open.decimal(scale)),
        price(was.high.decimal(scale)),
        price(was.low.decimal(scale)),
        price(was.close.decimal(scale)),
        price(was.volume_decimal(series.scales)),
        entry.known_at.ns() / 1_000_000_000,
    ]))
}

fn price(decimal: Decimal) -> Value {
    json!(decimal.to_f64())
}

/// A number with at most `digits` decimals; null where it is not defined.
fn rounded(value: f64, digits: usize) -> Value {
    let text = format!("{value:.*}", digits.min(12));
    text.parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .map_or(Value::Null, |value| json!(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_fetches_nothing_and_has_its_places() {
        for place in ["/*STYLE*/", "/*SCRIPT*/", "/*DATA*/"] {
            assert_eq!(PAGE.matches(place).count(), 1, "{place}");
        }
        for part in [PAGE, STYLE, SCRIPT] {
            assert!(!part.contains("://") && !part.contains("@import"));
        }
    }

    #[test]
    fn numbers_are_rounded_or_null() {
        assert_eq!(rounded(1.23456, 2), json!(1.23));
        assert_eq!(rounded(f64::NAN, 2), Value::Null);
    }
}
