//! Writes a simulated session to a file: CSV (plain, gzip, zstd) or Parquet, by the name.

use super::feed::VENUES;
use super::{Flaw, Simulation, SimulationError, Tick, Ticks};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch};
use arrow_array::{StringArray, TimestampNanosecondArray};
use market::{Scale, Side, TransType};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

/// Bytes of CSV gathered before they are written.
const CHUNK_BYTES: usize = 1 << 16;

/// Rows of a Parquet row group, and of what is encoded at once.
const GROUP_ROWS: usize = 1 << 18;
const BATCH_ROWS: usize = 1 << 16;

/// Which columns of a trade a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Columns {
    /// All that the simulator knows: id and side too, the venue where there are several, and what a record does
    /// where some correct others.
    #[default]
    All,
    /// Those that a trade must have: symbol, ts_event, price and size.
    Required,
}

impl Columns {
    fn are_all(self) -> bool {
        self == Columns::All
    }
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The simulation cannot be.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// The name tells no format.
    #[error("{0}: wanted a name that ends in .csv, .csv.gz, .csv.zst or .parquet")]
    Name(String),
    /// Corrections name a trade by its id, which the file would not have.
    #[error(
        "the required columns alone have no trade_id, which corrections name: wanted all columns, or none corrected"
    )]
    Corrections,
    /// The file cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The Parquet library refused.
    #[error("{path}: {source}")]
    Parquet {
        /// The file.
        path: String,
        /// Why.
        source: parquet::errors::ParquetError,
    },
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Records in all.
    pub records: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// Those among them that cancel or replace a trade.
    pub corrections: u64,
}

impl Written {
    fn count(&mut self, tick: &Tick) {
        self.records += 1;
        self.bad += u64::from(tick.flaw.is_some());
        self.corrections += u64::from(tick.trans != TransType::New);
    }
}

/// Writes `columns` of the session to `path`, in the format of its name; `progress` is told the share done.
///
/// # Errors
/// Fails when the name tells no format, or the file cannot be written.
pub fn write_session(
    simulation: &Simulation,
    path: &Path,
    columns: Columns,
    progress: &mut dyn FnMut(f64),
) -> Result<Written, WriteError> {
    simulation.check()?;
    if simulation.cancel + simulation.replace > 0.0 && !columns.are_all() {
        return Err(WriteError::Corrections);
    }
    let shown = path.display().to_string();
    let failed = |source| WriteError::Io { path: shown.clone(), source };
    let known = [".csv", ".csv.gz", ".csv.zst", ".parquet"];
    let Some(format) = known.into_iter().find(|ending| shown.ends_with(ending)) else {
        return Err(WriteError::Name(shown));
    };
    let file = BufWriter::with_capacity(CHUNK_BYTES, File::create(path).map_err(failed)?);
    let ticks = Ticks::new(simulation, 0, 1)?;
    match format {
        ".parquet" => write_parquet(ticks, file, columns, progress)
            .map_err(|source| WriteError::Parquet { path: shown, source }),
        ".csv.gz" => {
            let mut to = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            let written = write_csv(ticks, &mut to, columns, progress).map_err(failed)?;
            to.finish().and_then(|mut file| file.flush()).map_err(failed)?;
            Ok(written)
        }
        ".csv.zst" => {
            let mut to = zstd::Encoder::new(file, 3).map_err(failed)?;
            let written = write_csv(ticks, &mut to, columns, progress).map_err(failed)?;
            to.finish().and_then(|mut file| file.flush()).map_err(failed)?;
            Ok(written)
        }
        _ => {
            let mut to = file;
            let written = write_csv(ticks, &mut to, columns, progress).map_err(failed)?;
            to.flush().map_err(failed)?;
            Ok(written)
        }
    }
}

/// Writes `ticks` as CSV with the names of the JSON trade.
///
/// # Errors
/// Fails when `to` does.
pub fn write_csv(
    mut ticks: Ticks,
    to: &mut dyn Write,
    columns: Columns,
    progress: &mut dyn FnMut(f64),
) -> std::io::Result<Written> {
    let names = ticks.names().to_vec();
    let has_venue = ticks.has_venue() && columns.are_all();
    let has_trans = ticks.has_corrections() && columns.are_all();
    let more = if columns.are_all() { ",trade_id,side" } else { "" };
    let venue = if has_venue { ",venue" } else { "" };
    let trans = if has_trans { ",trans_type" } else { "" };
    let mut buffer = format!("symbol,ts_event,price,size{more}{venue}{trans}\n").into_bytes();
    let mut written = Written::default();
    while let Some(tick) = ticks.next() {
        written.count(&tick);
        if tick.flaw != Some(Flaw::Symbol) {
            buffer.extend_from_slice(names[tick.symbol as usize].as_bytes());
        }
        match tick.trans {
            TransType::Cancel => buffer.extend_from_slice(b",,,"),
            _ => numbers(&mut buffer, &tick),
        }
        if columns.are_all() {
            buffer.push(b',');
            integer(&mut buffer, tick.trade_id as i64);
            buffer.extend_from_slice(match tick.side {
                Side::Bid => b",B",
                Side::Ask => b",A",
                Side::Unknown => b",",
            });
        }
        if has_venue {
            buffer.push(b',');
            buffer.extend_from_slice(venue_name(&tick).as_bytes());
        }
        if has_trans {
            buffer.push(b',');
            buffer.extend_from_slice(tick.trans.name().as_bytes());
        }
        buffer.push(b'\n');
        if buffer.len() >= CHUNK_BYTES {
            to.write_all(&buffer)?;
            buffer.clear();
            progress(ticks.progress());
        }
    }
    to.write_all(&buffer)?;
    Ok(written)
}

/// What a cancel does not say.
fn numbers(to: &mut Vec<u8>, tick: &Tick) {
    to.push(b',');
    integer(to, tick.ts_event.ns());
    to.push(b',');
    decimal(to, tick.price.raw());
    to.push(b',');
    decimal(to, tick.size.raw());
}

/// Writes `ticks` as Parquet with the names of the JSON trade: symbol, side and venue by dictionary,
/// `ts_event` as timestamp(ns, UTC), price and size as the nearest doubles; what a cancel does not say is null.
///
/// # Errors
/// Fails when `to` does.
pub fn write_parquet<W: Write + Send>(
    mut ticks: Ticks,
    to: W,
    columns: Columns,
    progress: &mut dyn FnMut(f64),
) -> parquet::errors::Result<Written> {
    let mut written = Written::default();
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(ticks.names()));
    let optional = Optional {
        all: columns.are_all(),
        venue: ticks.has_venue() && columns.are_all(),
        trans: ticks.has_corrections() && columns.are_all(),
    };
    let mut rows: Vec<Tick> = Vec::with_capacity(BATCH_ROWS);
    let batch = |rows: &[Tick]| batch(rows, &names, optional);
    let schema = batch(&rows)?.schema();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_column_dictionary_enabled("ts_event".into(), false)
        .set_column_dictionary_enabled("trade_id".into(), false)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(to, schema, Some(properties))?;
    loop {
        rows.clear();
        rows.extend(ticks.by_ref().take(BATCH_ROWS));
        if rows.is_empty() {
            break;
        }
        rows.iter().for_each(|tick| written.count(tick));
        writer.write(&batch(&rows)?)?;
        progress(ticks.progress());
    }
    writer.close()?;
    Ok(written)
}

/// Which columns a file has beside the required ones.
#[derive(Clone, Copy)]
struct Optional {
    all: bool,
    venue: bool,
    trans: bool,
}

fn batch(
    rows: &[Tick],
    names: &ArrayRef,
    optional: Optional,
) -> parquet::errors::Result<RecordBatch> {
    let named = |keys: Int32Array, values: &ArrayRef| -> parquet::errors::Result<ArrayRef> {
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values.clone())?))
    };
    let symbol = |tick: &Tick| (tick.flaw != Some(Flaw::Symbol)).then_some(tick.symbol as i32);
    let symbols: Int32Array = rows.iter().map(symbol).collect();
    let says = |tick: &Tick| tick.trans != TransType::Cancel;
    let times = rows.iter().map(|tick| says(tick).then(|| tick.ts_event.ns()));
    let times: TimestampNanosecondArray = times.collect();
    let price = |tick: &Tick| says(tick).then(|| tick.price.decimal(Scale::NANO).to_f64());
    let size = |tick: &Tick| says(tick).then(|| tick.size.decimal(Scale::NANO).to_f64());
    let mut arrays: Vec<(&str, ArrayRef, bool)> = vec![
        ("symbol", named(symbols, names)?, true),
        ("ts_event", Arc::new(times.with_timezone("UTC")), optional.trans),
        ("price", Arc::new(rows.iter().map(price).collect::<Float64Array>()), optional.trans),
        ("size", Arc::new(rows.iter().map(size).collect::<Float64Array>()), optional.trans),
    ];
    if optional.all {
        let ids = Int64Array::from_iter_values(rows.iter().map(|tick| tick.trade_id as i64));
        let sides: ArrayRef = Arc::new(StringArray::from_iter_values(["A", "B", "N"]));
        let side = Int32Array::from_iter_values(rows.iter().map(|tick| tick.side as i32));
        arrays.push(("trade_id", Arc::new(ids), false));
        arrays.push(("side", named(side, &sides)?, false));
    }
    if optional.venue {
        let venues: ArrayRef = Arc::new(StringArray::from_iter_values(VENUES));
        let venue: Int32Array = rows.iter().map(|tick| tick.venue.map(|n| n as i32)).collect();
        arrays.push(("venue", named(venue, &venues)?, true));
    }
    if optional.trans {
        let all = [TransType::New, TransType::Cancel, TransType::Replace].map(TransType::name);
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(all));
        let trans = Int32Array::from_iter_values(rows.iter().map(|tick| tick.trans as i32));
        arrays.push(("trans_type", named(trans, &values)?, false));
    }
    Ok(RecordBatch::try_from_iter_with_nullable(arrays)?)
}

fn venue_name(tick: &Tick) -> &'static str {
    tick.venue.map_or("", |venue| VENUES[venue as usize])
}

fn integer(to: &mut Vec<u8>, value: i64) {
    let mut digits = [0u8; 20];
    let (mut at, mut rest) = (digits.len(), value.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        to.push(b'-');
    }
    to.extend_from_slice(&digits[at..]);
}

/// Raw units of nine digits, exactly, without trailing zeros.
fn decimal(to: &mut Vec<u8>, raw: i64) {
    let unit = Scale::NANO.unit();
    let (whole, mut fraction) = (raw / unit, (raw % unit).unsigned_abs());
    if raw < 0 && whole == 0 {
        to.push(b'-');
    }
    integer(to, whole);
    if fraction > 0 {
        to.push(b'.');
        let mut place = unit as u64 / 10;
        while fraction > 0 {
            to.push(b'0' + (fraction / place) as u8);
            fraction %= place;
            place = (place / 10).max(1);
        }
    }
}
