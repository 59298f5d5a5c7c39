//! The bars of a store, read back: what indicators are warmed up from where the log no longer reaches.
//!
//! Prices and sizes stand there as the nearest doubles, from which the exact numbers follow. Turnover does not
//! stand there: it is the volume times the average price, to the last digits of a double.

use crate::batch::failed;
use crate::parquet::each_bar;
use crate::sql::read_only;
use crate::store::{PARQUET_FOLDER, SQLITE_FILE};
use market::{Bar, Price, Scale, Scales, SinkError, SymbolId, Symbols, TableSpec, Time, Width};
use rusqlite::{Connection, OptionalExtension};
use std::path::{Path, PathBuf};

/// What is told of each bar: its width, its symbol, itself.
pub type EachBar<'a> = dyn FnMut(Width, SymbolId, &Bar) + 'a;

/// A store that holds bars.
#[derive(Clone, Debug)]
pub struct StoredBars {
    /// The tables, where they are there; else a folder of Parquet files.
    path: PathBuf,
    is_sqlite: bool,
}

/// A bar as it is stored.
pub(crate) struct StoredBar<'a> {
    pub symbol: &'a str,
    pub width: &'a str,
    pub ts_open: i64,
    /// Open, high, low, close, volume.
    pub values: [f64; 5],
    pub vwap: Option<f64>,
    pub trade_count: i64,
}

impl StoredBars {
    /// Those of the store at `folder`; none where it holds no bars.
    ///
    /// # Errors
    /// Fails where there is a file of tables that cannot be read.
    pub fn of(folder: &Path) -> Result<Option<Self>, SinkError> {
        let path = folder.join(SQLITE_FILE);
        if path.is_file() {
            let what = format!("sqlite: {}", path.display());
            let wanted = "SELECT 1 FROM sqlite_schema WHERE name = 'aggregated_data'";
            let db = open(&path)?;
            let is_there = db.query_row(wanted, [], |_| Ok(())).optional();
            if is_there.map_err(failed(what))?.is_some() {
                return Ok(Some(StoredBars { path, is_sqlite: true }));
            }
        }
        let path = folder.join(PARQUET_FOLDER).join(TableSpec::bars().name);
        Ok(path.is_dir().then_some(StoredBars { path, is_sqlite: false }))
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells the bars of some widths, those of a symbol and width in order of time.
    ///
    /// # Errors
    /// Fails when they cannot be read.
    pub fn each(
        &self,
        widths: &[Width],
        symbols: &Symbols,
        each: &mut EachBar<'_>,
    ) -> Result<(), SinkError> {
        let mut tell = |stored: StoredBar<'_>| {
            let width = stored.width.parse().ok().filter(|width| widths.contains(width));
            let symbol = symbols.intern(stored.symbol.as_bytes());
            if let (Some(width), Ok(symbol)) = (width, symbol) {
                each(width, symbol, &stored.bar(symbols.scales(symbol)));
            }
        };
        let what = self.path.display();
        match self.is_sqlite {
            true => from_sqlite(&open(&self.path)?, &mut tell).map_err(failed(what)),
            false => each_bar(&self.path, &mut tell).map_err(failed(what)),
        }
    }
}

fn open(path: &Path) -> Result<Connection, SinkError> {
    read_only(path).map_err(failed(format!("sqlite: {}", path.display())))
}

fn from_sqlite(db: &Connection, tell: &mut dyn FnMut(StoredBar<'_>)) -> rusqlite::Result<()> {
    let sql = "SELECT symbol, width, ts_open, open, high, low, close, volume, vwap, trade_count \
               FROM aggregated_data ORDER BY symbol, width, ts_open";
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = |at| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
        let mut values = [0.0; 5];
        for (value, at) in values.iter_mut().zip(3..) {
            *value = row.get(at)?;
        }
        tell(StoredBar {
            symbol: text(0)?,
            width: text(1)?,
            ts_open: row.get(2)?,
            values,
            vwap: row.get(8)?,
            trade_count: row.get(9)?,
        });
    }
    Ok(())
}

impl StoredBar<'_> {
    fn bar(&self, scales: Scales) -> Bar {
        let [open, high, low, close, volume] = self.values;
        let price = |value: f64| Price::from_raw(raw(value, scales.price));
        let volume = raw(volume, scales.size);
        let unit = scales.price.unit() as f64;
        let notional = self.vwap.map_or(0.0, |vwap| vwap * unit * volume as f64).round();
        Bar {
            ts_open: Time::from_ns(self.ts_open),
            open: price(open),
            high: price(high),
            low: price(low),
            close: price(close),
            trade_count: self.trade_count.unsigned_abs(),
            volume: i128::from(volume),
            notional: notional as i128,
        }
    }
}

/// The whole number that a stored double is the nearest of.
fn raw(value: f64, scale: Scale) -> i64 {
    (value * scale.unit() as f64).round() as i64
}
