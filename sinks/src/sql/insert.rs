//! Rows and letters into prepared statements, in the order of the table's key.
//!
//! Neighbours in key order fall into the same page of the tree, and a parameter that stays the same
//! (symbol, width) is bound once for many rows: both save more than the sort costs.

use super::dialect::Sqlite;
use super::past::{Past, Version, upsert};
use super::schema::{KEY_COLUMNS, Table};
use crate::names::Names;
use market::{Cell, DeadLetter, Rows, Scales, TableSpec, Width};
use rusqlite::{Connection, Statement, params};
use std::collections::BTreeMap;

/// A row's place: `(symbol's rank, width, ts_open, seq)`, then when it came.
type Place = (u32, Width, i64, u32, u32, u32);

/// The key that a place is of.
fn key_of(place: &Place) -> (u32, Width, i64, u32) {
    (place.0, place.1, place.2, place.3)
}

/// Writes batches, keeping its memory from one to the next.
#[derive(Default)]
pub(crate) struct Inserter {
    names: Names,
    /// Tables as they stand: with columns that rows do not bring any more.
    known: BTreeMap<String, Table>,
}

impl Inserter {
    /// Learns how a table stands; columns that rows do not bring are NULL in every row that is written.
    pub(crate) fn learn(&mut self, table: Table) {
        self.known.insert(table.name.clone(), table);
    }

    /// The tables it has learnt, by name.
    pub(crate) fn known(&self) -> &BTreeMap<String, Table> {
        &self.known
    }

    /// Writes the last revision of each key to its table, and those before it to the table's past.
    pub(crate) fn insert(&mut self, db: &Connection, batches: &[Rows]) -> rusqlite::Result<()> {
        for (spec, batches) in alike(batches) {
            self.insert_table(db, &Table::derived(spec), &batches)?;
        }
        Ok(())
    }

    fn insert_table(
        &mut self,
        db: &Connection,
        table: &Table,
        all: &[&Rows],
    ) -> rusqlite::Result<()> {
        let (order, places) = self.places(all);
        let stands = self.known.get(&table.name).unwrap_or(table);
        let mut put = db.prepare_cached(&upsert(table, stands))?;
        let mut past = Past::new(db, table, stands);
        let mut bound: Option<(u32, Width)> = None;
        for (at, place) in places.iter().enumerate() {
            let (rank, width, ts_open, seq, batch, row) = *place;
            let (rows, row, id) = (all[batch as usize], row as usize, order[rank as usize]);
            let symbol = &**self.names.text(id);
            let scales = self.names.scales(id);
            let next = places.get(at + 1).filter(|next| key_of(next) == key_of(place));
            if next.is_some() || rows.keys[row].revision > 0 || rows.keys[row].is_removed() {
                let is_first = at == 0 || key_of(&places[at - 1]) != key_of(place);
                let until = next.map(|next| all[next.4 as usize].known_at[next.5 as usize]);
                if past.take(Version { symbol, scales, rows, row }, is_first, until)? {
                    continue;
                }
            }
            if bound != Some((rank, width)) {
                put.raw_bind_parameter(1, symbol)?;
                put.raw_bind_parameter(2, width.to_string())?;
                bound = Some((rank, width));
            }
            put.raw_bind_parameter(3, ts_open)?;
            put.raw_bind_parameter(4, i64::from(seq))?;
            bind_values(&mut put, rows, row, scales)?;
            put.raw_execute()?;
        }
        past.end()
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

/// Batches of one table and the same columns that follow one another, each table's in the order they came.
fn alike(batches: &[Rows]) -> Vec<(&TableSpec, Vec<&Rows>)> {
    let mut alike: Vec<(&TableSpec, Vec<&Rows>)> = Vec::new();
    for rows in batches {
        let last = alike.iter_mut().rfind(|(spec, _)| spec.name == rows.table.name);
        match last.filter(|(spec, _)| **spec == *rows.table) {
            Some((_, list)) => list.push(rows),
            None => alike.push((&rows.table, vec![rows])),
        }
    }
    alike
}

fn bind_values(
    put: &mut Statement<'_>,
    rows: &Rows,
    row: usize,
    scales: Scales,
) -> rusqlite::Result<()> {
    bind_cells(put, KEY_COLUMNS + 1, rows, row, scales)?;
    let at = KEY_COLUMNS + 1 + rows.table.columns.len();
    put.raw_bind_parameter(at, i64::from(rows.keys[row].revision))?;
    put.raw_bind_parameter(at + 1, rows.known_at[row].ns())
}

/// Binds the cells of a row to the parameters from `first` on.
pub(super) fn bind_cells(
    put: &mut Statement<'_>,
    first: usize,
    rows: &Rows,
    row: usize,
    scales: Scales,
) -> rusqlite::Result<()> {
    for column in 0..rows.table.columns.len() {
        let at = first + column;
        match rows.cell_at(row, column, || scales) {
            Cell::Null => put.raw_bind_parameter(at, rusqlite::types::Null)?,
            Cell::Integer(value) => put.raw_bind_parameter(at, value)?,
            Cell::Decimal(value) => put.raw_bind_parameter(at, value.to_f64())?,
            Cell::Float(value) => put.raw_bind_parameter(at, value)?,
            Cell::Time(value) => put.raw_bind_parameter(at, value.ns())?,
        }
    }
    Ok(())
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
