//! The story: the engine reads the tape once into a store, and the store is asked what was known when.

pub mod tape;
mod told;
mod view;

use anyhow::{Context, ensure};
use market::{Time, TransType};
use operators::indicator::Registry;
use sinks::{Filter, Format, Letters, render_table};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tape::{Tape, csv, price};
use tidemill::config::{Config, Override};
use tidemill::{Engine, Summary};
use told::{BUST, CHAPTERS, Chapter, ENDING, OPENING, REFUSED};
use view::{ask, bars, candles, chart, past};

/// All but the file and the store: what `replay --conditions cta --order log --widths 1min --indicators "rsi(14)"` says.
const CONFIG: &str = "[[source]]\nkind = \"files\"\nconditions = \"cta\"\norder = \"log\"\n\
    lateness = \"2s\"\nhorizon = \"15min\"\n[[bars]]\nwidths = [\"1min\"]\n\
    [[indicators]]\nlist = [\"rsi(14)\"]\n[[sink]]\nkind = \"sqlite\"\n";

/// All that the tables say but when it was known and how often it had changed.
pub const VALUES: [&str; 2] = [
    "SELECT symbol, width, ts_open, seq, ts_close, open, high, low, close, volume, vwap, trade_count \
     FROM aggregated_data ORDER BY 1, 2, 3, 4",
    "SELECT symbol, width, ts_open, seq, rsi_14 FROM technical_indicators ORDER BY 1, 2, 3, 4",
];

/// The tape, the store of a run over it, and who is told.
struct Story<'a> {
    tape: Tape,
    store: PathBuf,
    out: &'a mut dyn Write,
}

/// Tells it, with files and stores in `folder`.
///
/// # Errors
/// Fails where they cannot be written, and where the tables do not end as they should.
pub fn tell(folder: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let tape = Tape::new();
    let (log, store) = (folder.join("tape.csv"), folder.join("store"));
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    fs::write(&log, csv(&tape.records)).with_context(|| log.display().to_string())?;
    writeln!(out, "The tape, in order of arrival:  {}", log.display())?;
    writeln!(out, "The store of one run over it:   {}", store.display())?;
    let summary = run(&log, &store)?;
    let mut story = Story { tape, store, out };
    story.counts(&summary)?;
    for chapter in CHAPTERS {
        story.chapter(chapter)?;
        if chapter.title == BUST {
            story.bust(chapter)?;
        }
    }
    story.refused()?;
    story.proof(folder)
}

/// Runs the engine over a file into a store that is begun anew.
fn run(log: &Path, store: &Path) -> anyhow::Result<Summary> {
    let key = |path: &'static [&'static str], value| Override { flag: "", path, value };
    let text = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned());
    let flags = [
        key(&["source", "files"], toml::Value::Array(vec![text(log)])),
        key(&["deployment", "data"], text(store)),
    ];
    let config = Config::parse("trade_bust", CONFIG, &flags, &Registry::standard())?;
    Ok(Engine::new(config).store(true).run()?)
}

impl Story<'_> {
    fn counts(&mut self, summary: &Summary) -> anyhow::Result<()> {
        let counts = &summary.counts;
        let (refused, late) = (counts.refused_total(), counts.late);
        writeln!(
            self.out,
            "{} records read, {} used, {refused} refused; of those used",
            counts.read, counts.used
        )?;
        let (cancelled, replaced) = (counts.cancelled, counts.replaced);
        writeln!(
            self.out,
            "{cancelled} cancelled a trade, {replaced} replaced one, {late} came late.\n"
        )?;
        Ok(writeln!(self.out, "{OPENING}")?)
    }

    /// What came, and the bars that it is about as they were known at each of the chapter's times.
    fn chapter(&mut self, chapter: &Chapter) -> anyhow::Result<()> {
        writeln!(self.out, "\n== {}\n{}\n", chapter.title, chapter.what)?;
        self.records(chapter.records)?;
        let (from, to) = chapter.bars;
        let sql = bars("TIDE", from, to);
        for known in chapter.known {
            writeln!(self.out, "\nknown at {}:", &clock(*known)[..8])?;
            let rows = ask(&self.store, &sql, Some(Time::from_ns(*known)), Format::Table)?;
            self.shifted(&rows)?;
        }
        Ok(())
    }

    /// The bars before and after it, the versions that are kept, and how a reader asks for them.
    fn bust(&mut self, chapter: &Chapter) -> anyhow::Result<()> {
        let sql = bars("TIDE", "13:38", "13:47");
        for known in chapter.known {
            writeln!(self.out, "\nits minutes, known at {}:", &clock(*known)[..8])?;
            let candles = candles(&self.store, &sql, Some(Time::from_ns(*known)))?;
            self.shifted(&chart(&candles))?;
        }
        writeln!(self.out, "\nWhat was superseded is kept, in the past of the table:")?;
        let versions = ask(&self.store, &past("TIDE", "13:47"), None, Format::Table)?;
        self.shifted(&versions)?;
        let as_of = Time::from_ns(chapter.known[0]);
        writeln!(self.out, "\nAsk it yourself:")?;
        writeln!(self.out, "  tidemill query --data {} --as-of {as_of} \\", self.store.display())?;
        let opens = tape::at(13, 47, 0, 0);
        let sql = format!("SELECT * FROM aggregated_data WHERE ts_open = {opens}");
        Ok(writeln!(self.out, "    \"{sql}\"")?)
    }

    /// Every letter, with its reason.
    fn refused(&mut self) -> anyhow::Result<()> {
        writeln!(self.out, "\n== What was refused\n{REFUSED}\n")?;
        self.records(&["bust again", "unknown"])?;
        let mut rows = Vec::new();
        Letters::open(&self.store)?.each(&Filter::default(), |letter| {
            rows.push(
                ["number", "reason", "detail"]
                    .map(|field| match field {
                        "number" => letter.number.to_string(),
                        field => letter.text(field),
                    })
                    .to_vec(),
            );
            Ok(true)
        })?;
        writeln!(self.out, "\ndead letters:")?;
        self.shifted(&render_table(&["letter", "reason", "detail"], &rows))
    }

    /// A clean run over the corrected log, and both compared.
    fn proof(&mut self, folder: &Path) -> anyhow::Result<()> {
        let (log, clean) = (folder.join("corrected.csv"), folder.join("clean"));
        fs::write(&log, csv(&self.tape.corrected()))?;
        let summary = run(&log, &clean)?;
        writeln!(self.out, "\n== The proof\n{ENDING}\n")?;
        writeln!(self.out, "The corrected log:        {}", log.display())?;
        writeln!(self.out, "The store of a clean run: {}", clean.display())?;
        let used = summary.counts.used;
        ensure!(used == summary.counts.read, "of the corrected log {used} records were used");
        for (sql, table) in VALUES.iter().zip(["aggregated_data", "technical_indicators"]) {
            let [ours, theirs] =
                [&self.store, &clean].map(|store| ask(store, sql, None, Format::Csv));
            let (ours, theirs) = (ours?, theirs?);
            ensure!(ours == theirs, "{table} differs from that of the clean run");
            let (rows, bytes) = (ours.lines().count() - 1, ours.len());
            let count = format!("SELECT count(*) FROM {table}_revisions");
            let past = ask(&self.store, &count, None, Format::Csv)?;
            let past = past.lines().last().unwrap_or_default();
            writeln!(self.out, "  {table}: {rows} rows, {bytes} bytes as CSV:")?;
            writeln!(self.out, "    the same, byte for byte; {past} versions in its past")?;
        }
        Ok(())
    }

    /// Records of the tape as a table.
    fn records(&mut self, names: &[&str]) -> anyhow::Result<()> {
        let headers = ["line", "what", "venue", "id", "size", "price", "sale", "happened", "came"];
        let row = |name: &&str| {
            let (line, record) = self.tape.named(name);
            let mut cells = vec![line.to_string(), record.trans.name().to_owned()];
            cells.extend([record.venue.to_owned(), record.id.clone()]);
            // Of a cancel nothing else is said.
            let said = match record.trans {
                TransType::Cancel => [const { String::new() }; 4],
                _ => {
                    let (size, sale) = (record.size.to_string(), record.conditions.to_owned());
                    [size, price(record.cents), sale, clock(record.ts)]
                }
            };
            cells.extend(said);
            cells.push(clock(record.came));
            cells
        };
        let rows: Vec<Vec<String>> = names.iter().map(row).collect();
        self.shifted(&render_table(&headers, &rows))
    }

    /// Writes text a little to the right.
    fn shifted(&mut self, text: &str) -> anyhow::Result<()> {
        text.lines().try_for_each(|line| writeln!(self.out, "  {line}"))?;
        Ok(())
    }
}

/// The time of day, to the millisecond.
fn clock(ns: i64) -> String {
    let ms = ns.div_euclid(1_000_000);
    let text = Time::from_ns(ms / 1_000 * Time::SECOND).to_string();
    format!("{}.{:03}", text[11..].trim_end_matches('Z'), ms % 1_000)
}
