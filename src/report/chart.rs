//! The summary of a session on the terminal: one line a symbol with a small chart of its closes.

use super::collect::{Collected, Series};
use crate::engine::table;
use market::Width;

/// Characters of a chart.
const CHART_WIDE: usize = 32;
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Collected {
    /// One line a symbol from its bars of `width`.
    pub fn chart(&self, width: Width) -> String {
        let shown =
            self.symbols.iter().filter_map(|(name, widths)| Some((name, widths.get(&width)?)));
        let rows: Vec<Vec<String>> = shown.map(|(name, series)| self.line(name, series)).collect();
        let headers = ["symbol", "closes", "last", "change", "volume", "vwap", "rsi 14", "revised"];
        table(&headers, &rows)
    }

    fn line(&self, name: &str, series: &Series) -> Vec<String> {
        let digits = series.digits();
        let price = |value: f64| match value.is_nan() {
            true => "-".to_owned(),
            false => format!("{value:.digits$}"),
        };
        let closes: Vec<i64> = series.bars.values().map(|entry| entry.bar.close.raw()).collect();
        let last =
            series.last().map_or(f64::NAN, |e| e.bar.close.decimal(series.scales.price).to_f64());
        let volume: i128 = series.bars.values().map(|entry| entry.bar.volume).sum();
        let notional: i128 = series.bars.values().map(|entry| entry.bar.notional).sum();
        let unit = series.scales.size.unit() as f64;
        let vwap = notional as f64 / volume as f64 / series.scales.price.unit() as f64;
        let rsi = self.newest(series, "rsi_14");
        vec![
            name.to_owned(),
            spark(&closes, CHART_WIDE),
            price(last),
            format!("{:+.2}%", series.change_percent()),
            short(volume as f64 / unit),
            price(vwap),
            if rsi.is_nan() { "-".to_owned() } else { format!("{rsi:.1}") },
            series.revised().to_string(),
        ]
    }

    /// An indicator's value at the last bar; NaN where there is none.
    fn newest(&self, series: &Series, column: &str) -> f64 {
        let place = self.columns.iter().position(|name| name == column);
        let value = place.and_then(|at| series.last()?.indicators.get(at).copied());
        value.unwrap_or(f64::NAN)
    }
}

/// `values` in `wide` characters, each the last of its stretch.
fn spark(values: &[i64], wide: usize) -> String {
    let (Some(least), Some(most)) = (values.iter().min(), values.iter().max()) else {
        return String::new();
    };
    let count = wide.min(values.len());
    let span = i128::from(*most) - i128::from(*least);
    let step = |at: usize| {
        let value = values[(at + 1) * values.len() / count - 1];
        let above = i128::from(value) - i128::from(*least);
        STEPS[if span == 0 { 3 } else { (above * 7 / span) as usize }]
    };
    (0..count).map(step).collect()
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2}B", v / 1e9),
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e4 => format!("{:.1}k", v / 1e3),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_are_as_wide_as_asked_and_span_the_range() {
        assert_eq!(spark(&[0, 1, 2, 3, 4, 5, 6, 7], 8), "▁▂▃▄▅▆▇█");
        assert_eq!(spark(&[5, 5], 8), "▄▄");
        assert_eq!(spark(&[i64::MIN, i64::MAX], 1), "█");
        assert_eq!(spark(&(0..1000).collect::<Vec<_>>(), 32).chars().count(), 32);
        assert_eq!(spark(&[], 8), "");
    }
}
