//! What a run did, in numbers and as text.

use dataflows::{CheckpointProgress, Outcome, TableCount};
use market::{Counts, Reason};
use serde_json::{Value, json};
use sinks::{Store, render_table};
use std::path::PathBuf;
use std::time::Duration;

/// Records that may be refused whatever their share.
pub(crate) const REFUSED_FREE: u64 = 100;

/// What a run did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What was read, used and refused.
    pub counts: Counts,
    /// Rows of files that `where` left out: no records, and counted nowhere else.
    pub filtered: u64,
    /// What the tables were given.
    pub tables: Vec<TableCount>,
    /// Symbols whose trades came through several partitions.
    pub spread_symbols: u64,
    /// Whether the input was read to its end.
    pub complete: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// Greatest resident memory of this process in bytes, where the system tells.
    pub memory_bytes: Option<u64>,
    /// What lies neither in history nor in the topics that go on behind it, as far as this process knows.
    pub gaps: Vec<String>,
    /// What became of the checkpoints, where they are kept.
    pub checkpoints: Option<CheckpointProgress>,
    /// The store, where there is one.
    pub store: Option<PathBuf>,
}

impl Summary {
    pub(super) fn of(
        outcome: Outcome,
        filtered: u64,
        elapsed: Duration,
        store: Option<&Store>,
    ) -> Self {
        Summary {
            filtered,
            counts: outcome.counts,
            tables: outcome.tables,
            spread_symbols: outcome.spread_symbols,
            complete: outcome.complete,
            elapsed,
            memory_bytes: memory_peak(),
            gaps: Vec::new(),
            checkpoints: None,
            store: store.map(|store| store.folder().to_owned()),
        }
    }

    /// The exit code: 130 stopped, 3 nothing used or too much refused, 0 done.
    pub fn exit_code(&self, max_refused: f64, strict: bool) -> u8 {
        let counts = &self.counts;
        // What was asked to be taken out is nothing to worry about.
        let refused = counts.refused_total() - counts.refused[Reason::Excluded as usize];
        match self.complete {
            true => judge((counts.read, counts.used, refused), max_refused, strict),
            false => 130,
        }
    }

    /// The document of `--json`.
    pub fn json(&self) -> Value {
        let refused: serde_json::Map<String, Value> =
            reasons(&self.counts).map(|(code, count)| (code.to_owned(), count.into())).collect();
        let tables: Vec<Value> = self
            .tables
            .iter()
            .map(|table| json!({"table": table.name, "rows": table.rows(), "revised": table.revised}))
            .collect();
        json!({
            "complete": self.complete,
            "read": self.counts.read,
            "used": self.counts.used,
            "refused": self.counts.refused_total(),
            "refused_by_reason": refused,
            "filtered": self.filtered,
            "left_out": self.counts.left_out,
            "gaps": self.gaps,
            "late": self.counts.late,
            "flagged": self.counts.flagged,
            "cancelled": self.counts.cancelled,
            "replaced": self.counts.replaced,
            "excluded": self.counts.excluded,
            "revised": self.revised(),
            "tables": tables,
            "spread_symbols": self.spread_symbols,
            "seconds": self.elapsed.as_secs_f64(),
            "trades_per_second": self.rate(),
            "peak_memory_bytes": self.memory_bytes,
            "checkpoints": self.checkpoints.as_ref().map(|kept| json!({
                "written": kept.written, "failed": kept.failed, "last_failure": kept.last_failure,
            })),
            "store": self.store.as_ref().map(|path| path.display().to_string()),
        })
    }

    /// Changes of rows that were there.
    pub fn revised(&self) -> u64 {
        self.tables.iter().map(|table| table.revised).sum()
    }

    fn rate(&self) -> f64 {
        (self.counts.read as f64 / self.elapsed.as_secs_f64().max(1e-9)).round()
    }

    /// The lines that a person reads.
    pub fn text(&self) -> String {
        let counts = &self.counts;
        let refused: Vec<String> =
            reasons(counts).map(|(code, count)| format!("{code} {}", grouped(count))).collect();
        let refused = match refused.is_empty() {
            true => String::new(),
            false => format!(" ({})", refused.join(", ")),
        };
        let mut rows = vec![
            vec!["read".to_owned(), grouped(counts.read)],
            vec!["used".to_owned(), grouped(counts.used)],
            vec!["refused".to_owned(), format!("{}{refused}", grouped(counts.refused_total()))],
            vec!["filtered".to_owned(), grouped(self.filtered)],
            vec!["left out".to_owned(), grouped(counts.left_out)],
            vec!["late".to_owned(), grouped(counts.late)],
            vec!["flagged".to_owned(), grouped(counts.flagged)],
            vec!["cancelled".to_owned(), grouped(counts.cancelled)],
            vec!["replaced".to_owned(), grouped(counts.replaced)],
            vec!["excluded".to_owned(), grouped(counts.excluded)],
        ];
        for table in &self.tables {
            let count =
                format!("{} rows, {} revised", grouped(table.rows()), grouped(table.revised));
            rows.push(vec![table.name.clone(), count]);
        }
        let rate = grouped(self.rate() as u64);
        rows.push(vec![
            "time".to_owned(),
            format!("{:.2} s, {rate} records/s", self.elapsed.as_secs_f64()),
        ]);
        if let Some(bytes) = self.memory_bytes {
            rows.push(vec!["memory".to_owned(), format!("{} MiB at most", bytes >> 20)]);
        }
        if let Some(kept) = &self.checkpoints {
            let failed = kept.last_failure.as_ref();
            let failed = failed.map(|why| format!(", {} failed: {why}", grouped(kept.failed)));
            let count = format!("{} written{}", grouped(kept.written), failed.unwrap_or_default());
            rows.push(vec!["checkpoints".to_owned(), count]);
        }
        if let Some(store) = &self.store {
            rows.push(vec!["store".to_owned(), store.display().to_string()]);
        }
        let mut text: String = rows.iter().map(|row| line(&row[0], &row[1])).collect();
        if self.spread_symbols > 0 {
            text += &format!(
                "{} symbols came through several partitions: duplicates between those are not seen\n",
                grouped(self.spread_symbols)
            );
        }
        self.gaps.iter().for_each(|gap| text += &format!("{gap}\n"));
        if !self.complete {
            text += "stopped before the end of the input: what was complete is stored\n";
        }
        text
    }
}

/// The exit code of records `(read, used, refused)`: 3 where none was used or too many were refused.
pub(crate) fn judge((read, used, refused): (u64, u64, u64), max_refused: f64, strict: bool) -> u8 {
    let share = refused as f64 / read.max(1) as f64;
    let too_many = refused > REFUSED_FREE && share > max_refused || strict && refused > 0;
    if used == 0 || too_many { 3 } else { 0 }
}

/// A line of the summary.
pub(crate) fn line(name: &str, value: &str) -> String {
    format!("{name:20}  {value}\n")
}

/// A table on the terminal.
pub(crate) fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    render_table(headers, rows)
}

/// Reasons that occurred, with their counts.
pub(crate) fn reasons(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> {
    let all = Reason::ALL.iter().map(|reason| reason.code()).zip(counts.refused);
    all.filter(|(_, count)| *count > 0)
}

/// A count with its thousands apart.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `VmHWM` of this process, where there is a `/proc`.
fn memory_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(read: u64, refused: u64) -> Summary {
        let mut counts = Counts { read, used: read - refused, ..Counts::default() };
        counts.refused[0] = refused;
        let outcome = Outcome { counts, complete: true, ..Outcome::default() };
        Summary::of(outcome, 0, Duration::from_secs(1), None)
    }

    #[test]
    fn exit_codes_follow_the_share_and_the_hundred() {
        for (read, refused, strict, code) in [
            (1000, 0, true, 0),
            (1000, 100, false, 0),
            (1000, 101, false, 3),
            (100_000, 1000, false, 0),
            (100_000, 1001, false, 3),
            (100_000, 1, true, 3),
            (5, 5, false, 3),
            (0, 0, false, 3),
        ] {
            assert_eq!(summary(read, refused).exit_code(0.01, strict), code, "{refused} of {read}");
        }
        let stopped = Summary { complete: false, ..summary(10, 0) };
        assert_eq!(stopped.exit_code(0.01, false), 130);
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
