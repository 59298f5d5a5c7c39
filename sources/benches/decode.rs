//! Nanoseconds of CPU a trade takes to decode, from CSV and from Parquet, on one decoder thread.
//!
//! `cargo bench -p tidemill-sources --bench decode -- [MILLIONS] [FOLDER]` writes a file of each format
//! once into FOLDER (a temporary one by default) and reads it; `scripts/bench decode` compares with Polars
//! on the same files, from the lines printed here.

use market::Symbols;
use sources::{Fed, FileOrder, FilePartition, FileSource, LayoutOptions};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Ticks of a second in `/proc/self/stat`.
const TICKS: f64 = 100.0;
/// Times each file is read.
const ROUNDS: usize = 5;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let millions = words.next().and_then(|word| word.parse().ok()).unwrap_or(10u64);
    let folder = words.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let csv = folder.join(format!("tidemill-decode-{millions}m.csv"));
    let parquet = folder.join(format!("tidemill-decode-{millions}m.parquet"));
    if !csv.exists() {
        write_csv(&csv, millions * 1_000_000).expect("the CSV file can be written");
    }
    if !parquet.exists() {
        write_parquet(&parquet, millions * 1_000_000).expect("the Parquet file can be written");
    }
    for path in [&csv, &parquet] {
        for order in [FileOrder::Log, FileOrder::Time] {
            let mut least = f64::INFINITY;
            let mut rows = 0;
            for _ in 0..ROUNDS {
                let before = cpu_seconds();
                rows = read(path, order);
                least = least.min(cpu_seconds() - before);
            }
            let ns = least * 1e9 / rows as f64;
            println!("{} {order:?}: {rows} trades, {ns:.1} ns of CPU a trade", path.display());
        }
    }
}

fn read(path: &Path, order: FileOrder) -> u64 {
    let source = FileSource {
        paths: vec![path.to_string_lossy().into_owned()],
        layout: LayoutOptions { columns: None, ..LayoutOptions::default() },
        order,
        partition: FilePartition::File,
        threads: 1,
        lateness_ns: 2_000_000_000,
    };
    let mut rows = 0;
    for open in source.check().expect("files").open(&Symbols::default()).expect("threads") {
        let mut feed = open().expect("a file");
        let thread = std::thread::current();
        feed.wake_by(Arc::new(move || thread.unpark()));
        loop {
            match feed.poll().expect("a whole file") {
                Fed::Batch(batch) => {
                    rows += batch.trades.len() as u64;
                    feed.recycle(batch);
                }
                Fed::Pending => std::thread::park(),
                Fed::End => break,
            }
        }
    }
    rows
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / TICKS
}

/// A small generator: the same rows on every machine.
struct Rows {
    state: u64,
    ts_ns: i64,
    prices: Vec<i64>,
}

impl Rows {
    fn new() -> Self {
        let prices = (0..1_000).map(|k| 1_000 + k * 37).collect();
        Rows { state: 1, ts_ns: 1_704_205_800_000_000_000, prices }
    }

    /// Time, symbol, price in cents, size.
    fn next(&mut self) -> (i64, usize, i64, i64) {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let bits = self.state;
        let symbol = (bits % 1_000) as usize;
        self.ts_ns += (bits >> 20) as i64 % 4_680_000;
        let price = &mut self.prices[symbol];
        *price = (*price + (bits >> 40) as i64 % 11 - 5).max(100);
        (self.ts_ns, symbol, *price, 1 + (bits >> 50) as i64 % 500)
    }
}

fn name(symbol: usize) -> String {
    let letter = |k: usize| char::from(b'A' + (k % 26) as u8);
    [letter(symbol), letter(symbol / 26), letter(symbol / 676), letter(symbol * 7)].iter().collect()
}

fn write_csv(path: &Path, count: u64) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "ts_event,symbol,price,size")?;
    let mut rows = Rows::new();
    for _ in 0..count {
        let (ts, symbol, price, size) = rows.next();
        writeln!(out, "{ts},{},{}.{:02},{size}", name(symbol), price / 100, price % 100)?;
    }
    out.flush()
}

fn write_parquet(path: &Path, count: u64) -> Result<(), Box<dyn std::error::Error>> {
    use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
    let mut rows = Rows::new();
    let mut writer = None;
    let mut left = count;
    while left > 0 {
        let batch: Vec<_> = (0..left.min(1 << 16)).map(|_| rows.next()).collect();
        left -= batch.len() as u64;
        let ts: Int64Array = batch.iter().map(|row| Some(row.0)).collect();
        let symbol: StringArray = batch.iter().map(|row| Some(name(row.1))).collect();
        let price: Float64Array = batch.iter().map(|row| Some(row.2 as f64 / 100.0)).collect();
        let size: Float64Array = batch.iter().map(|row| Some(row.3 as f64)).collect();
        let columns: [(&str, ArrayRef); 4] = [
            ("ts_event", Arc::new(ts)),
            ("symbol", Arc::new(symbol)),
            ("price", Arc::new(price)),
            ("size", Arc::new(size)),
        ];
        let batch = RecordBatch::try_from_iter(columns)?;
        if writer.is_none() {
            let properties = parquet::file::properties::WriterProperties::builder()
                .set_compression(parquet::basic::Compression::SNAPPY)
                .build();
            let file = File::create(path)?;
            let schema = batch.schema();
            let opened = parquet::arrow::ArrowWriter::try_new(file, schema, Some(properties))?;
            writer = Some(opened);
        }
        if let Some(writer) = &mut writer {
            writer.write(&batch)?;
        }
    }
    writer.map(|writer| writer.close()).transpose()?;
    Ok(())
}
