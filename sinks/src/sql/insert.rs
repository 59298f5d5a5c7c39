//! Rows and letters into prepared statements, in the order of the table's key.
//!
//! Neighbours in key order fall into the same page of the tree, and a parameter that stays the same
//! (symbol, width) is bound once for many rows: both save more than the sort costs.

use super::dialect::{Dialect, Sqlite};
use super::schema::{KEY_COLUMNS, Table};
use crate::names::Names;
use market::{Cell, DeadLetter, Rows, Width};
use rusqlite::{Connection, Statement, params};
use std::collections::BTreeMap;

/// A row's place: `(symbol's rank, width, ts_open, seq)`, then when it came.
type Place = (u32, Width, i64, u32, u32, u32);

/// Writes batches, keeping its memory from one to the next.
#[derive(Default)]
pub(crate) struct Inserter {
    names: Names,
    /// Columns of tables that earlier runs wrote.
    known: BTreeMap<String, Vec<String>>,
}

impl Inserter {
    /// Learns that a table has columns; those that rows do not bring are NULL in every row that is written.
    pub(crate) fn learn(&mut self, table: &str, columns: Vec<String>) {
        self.known.insert(table.to_owned(), columns);
    }

    /// The statement that writes rows with the columns of `table`.
    fn upsert(&self, table: &Table) -> String {
        let mut upsert = table.upsert(&Sqlite);
        let is_own = |name: &String| table.columns.iter().any(|column| column.0 == *name);
        for name in self.known.get(&table.name).into_iter().flatten() {
            if !is_own(name) {
                upsert += &format!(", {} = NULL", Sqlite.quoted(name));
            }
        }
        upsert
    }

    /// Writes the last revision of each key, table by table.
    pub(crate) fn insert(&mut self, db: &Connection, batches: &[Rows]) -> rusqlite::Result<()> {
        // By upsert text, so that batches of one table with other columns are kept apart.
        let mut tables: BTreeMap<String, Vec<&Rows>> = BTreeMap::new();
        for rows in batches {
            let upsert = self.upsert(&Table::derived(&rows.table));
            tables.entry(upsert).or_default().push(rows);
        }
        for (upsert, batches) in tables {
            self.insert_table(&mut *db.prepare_cached(&upsert)?, &batches)?;
        }
        Ok(())
    }

    fn insert_table(&mut self, put: &mut Statement<'_>, all: &[&Rows]) -> rusqlite::Result<()> {
        let (order, places) = self.places(all);
        let mut bound: Option<(u32, Width)> = None;
        for (at, place) in places.iter().enumerate() {
            let (rank, width, ts_open, seq, batch, row) = *place;
            let superseded = places.get(at + 1).is_some_and(|next| {
                (next.0, next.1, next.2, next.3) == (rank, width, ts_open, seq)
            });
            if superseded {
                continue;
            }
            let (rows, row, id) = (all[batch as usize], row as usize, order[rank as usize]);
            if bound != Some((rank, width)) {
                put.raw_bind_parameter(1, &**self.names.text(id))?;
                put.raw_bind_parameter(2, width.to_string())?;
                bound = Some((rank, width));
            }
            put.raw_bind_parameter(3, ts_open)?;
            put.raw_bind_parameter(4, i64::from(seq))?;
            bind_values(put, rows, row, self.names.scales(id))?;
            put.raw_execute()?;
        }
        Ok(())
    }

    /// The symbols in order of their texts, and every row's place, in order.
    fn places(&mut self, all: &[&Rows]) -> (Vec<u32>, Vec<Place>) {
        for rows in all {
            self.names.learn(&rows.symbols);
        }
        let (order, ranks) = self.names.order();
        let mut places = Vec::with_capacity(all.iter().map(|rows| rows.len()).sum());
        for (batch, rows) in all.iter().enumerate() {
            self.names.learn(&rows.symbols);
            for (row, key) in rows.keys.iter().enumerate() {
                let rank = ranks[self.names.id(key.symbol) as usize];
                let arrival = (batch as u32, row as u32);
                let ts_open = key.ts_open.ns();
                places.push((rank, key.width, ts_open, key.seq, arrival.0, arrival.1));
            }
        }
        places.sort_unstable();
        (order, places)
    }
}

fn bind_values(
    put: &mut Statement<'_>,
    rows: &Rows,
    row: usize,
    scales: market::Scales,
) -> rusqlite::Result<()> {
    let columns = rows.table.columns.len();
    for column in 0..columns {
        let at = KEY_COLUMNS + column + 1;
        match rows.cell_at(row, column, || scales) {
            Cell::Null => put.raw_bind_parameter(at, rusqlite::types::Null)?,
            Cell::Integer(value) => put.raw_bind_parameter(at, value)?,
            Cell::Decimal(value) => put.raw_bind_parameter(at, value.to_f64())?,
            Cell::Float(value) => put.raw_bind_parameter(at, value)?,
            Cell::Time(value) => put.raw_bind_parameter(at, value.ns())?,
        }
    }
    put.raw_bind_parameter(KEY_COLUMNS + columns + 1, i64::from(rows.keys[row].revision))?;
    put.raw_bind_parameter(KEY_COLUMNS + columns + 2, rows.known_at[row].ns())
}

/// Writes at most `room` letters that are not there yet; how many it wrote.
pub(crate) fn insert_letters(
    db: &Connection,
    letters: &[DeadLetter],
    room: u64,
) -> rusqlite::Result<u64> {
    let mut put = db.prepare_cached(&Table::dead_letters().insert_new(&Sqlite))?;
    let mut written = 0;
    for letter in letters {
        if written == room {
            break;
        }
        written += put.execute(params![
            letter.partition,
            // Offsets fill 64 bits only beyond 2^23 files in a partition.
            letter.offset.raw().cast_signed(),
            letter.reason.code(),
            letter.epoch,
            letter.source,
            letter.symbol,
            letter.ts_event.map(market::Time::ns),
            letter.detail,
            letter.raw,
        ])? as u64;
    }
    Ok(written)
}
