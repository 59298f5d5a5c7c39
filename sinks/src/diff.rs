//! What two deployments wrote, compared table by table and key by key: the last value of each key.
//!
//! A side is the tables of a store, or what was gathered from elsewhere into a database of its own that the system
//! keeps in a file without a name. Both are walked side by side in the order of their keys, so memory does not grow with
//! the rows. Columns that only one side has are named, and told apart from values that differ.

use crate::batch::failed;
use crate::parquet::each_json;
use crate::sql::{KEPT, REVISIONS, read_only};
use crate::store::{PARQUET_FOLDER, SQLITE_FILE};
use market::{SinkError, Time};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Tables that say how far a sink came, and what it keeps.
const OWN: [&str; 3] = ["sink_progress", "sink_owner", KEPT];
/// Columns that depend on the order in which trades came, and not on the trades alone.
const ASIDE: [&str; 3] = ["revision", "known_at", "epoch"];

/// What is compared.
#[derive(Clone, Debug)]
pub struct DiffOptions {
    /// Also revisions and the times at which rows were known, and columns that one side lacks.
    pub exact: bool,
    /// Only bars that start at this time or later.
    pub from: Option<Time>,
    /// Only bars that start before this time.
    pub to: Option<Time>,
    /// Differing rows of a table that are told of each kind: those that one side lacks, those of other values, and
    /// those that were revised otherwise.
    pub shown: usize,
}

/// A row that differs: its key, and the columns that do, as both sides have them. No columns where one lacks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowDiff {
    /// As its key columns stand.
    pub key: String,
    /// Which side has it, where the other has not.
    pub only: Option<usize>,
    /// Column, value on the first side, value on the second.
    pub cells: Vec<(String, String, String)>,
}

/// What is found of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableDiff {
    /// The table.
    pub table: String,
    /// Rows of each side.
    pub rows: [u64; 2],
    /// Rows that only that side has.
    pub only: [u64; 2],
    /// Rows that both have, with other values.
    pub differing: u64,
    /// Of the last, how many differ in each column.
    pub by_column: BTreeMap<String, u64>,
    /// Columns that only that side has.
    pub columns: [BTreeSet<String>; 2],
    /// The first differing rows of each kind, in the order of their keys.
    pub first: Vec<RowDiff>,
}

impl RowDiff {
    /// What tells kinds of differences apart: which side alone has the row, and whether all else but how it was
    /// revised is the same.
    fn kind(&self) -> (Option<usize>, bool) {
        let mut names = self.cells.iter().map(|(name, ..)| name.as_str());
        (self.only, self.only.is_none() && names.all(|name| ASIDE.contains(&name)))
    }
}

impl TableDiff {
    /// Whether both sides have the same.
    pub fn is_same(&self, options: &DiffOptions) -> bool {
        let columns = options.exact && self.columns.iter().any(|columns| !columns.is_empty());
        self.only == [0, 0] && self.differing == 0 && !columns
    }
}

/// What one deployment wrote.
pub struct Side {
    db: Connection,
    is_gathered: bool,
    what: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(i64),
    Text(String),
}

/// Key and cells of a row.
type Line = (Vec<Part>, BTreeMap<String, String>);

impl Side {
    /// The tables of the store at `folder`: SQLite's, else those of the Parquet files.
    ///
    /// # Errors
    /// Fails where there are none, or they cannot be read.
    pub fn store(folder: &Path) -> Result<Self, SinkError> {
        let (what, path) = (folder.display().to_string(), folder.join(SQLITE_FILE));
        if path.is_file() {
            let db = read_only(&path).map_err(failed(&what))?;
            return Ok(Side { db, is_gathered: false, what });
        }
        let parquet = folder.join(PARQUET_FOLDER);
        if !parquet.is_dir() {
            let what = format!("{what}: no tables in SQLite or Parquet there");
            return Err(SinkError { what });
        }
        let mut side = Side::gathered(&what)?;
        for entry in std::fs::read_dir(&parquet).map_err(failed(&what))? {
            let table = entry.map_err(failed(&what))?.path();
            let name = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut put = |key: String, at, value: String| side.put(&name, &key, at, Some(&value));
            each_json(&table, &mut put).map_err(failed(&what))?;
        }
        Ok(side)
    }

    /// A side that is to be gathered; `what` names it in messages.
    ///
    /// # Errors
    /// Fails where the system has no room for files.
    pub fn gathered(what: &str) -> Result<Self, SinkError> {
        let open = || {
            // A name without letters is a file of the system's own, gone with the connection.
            let db = Connection::open("")?;
            db.execute_batch(
                "CREATE TABLE gathered (tbl TEXT, key TEXT, at INTEGER, value TEXT, \
                 PRIMARY KEY (tbl, key)) WITHOUT ROWID; BEGIN",
            )?;
            Ok::<_, rusqlite::Error>(db)
        };
        let db = open().map_err(failed(what))?;
        Ok(Side { db, is_gathered: true, what: what.to_owned() })
    }

    /// Takes a record of a table: the value, a JSON object, takes the place of the one before it; none removes it.
    ///
    /// # Errors
    /// Fails where the system has no room for files.
    pub fn put(
        &mut self,
        table: &str,
        key: &str,
        at: Option<i64>,
        value: Option<&str>,
    ) -> Result<(), SinkError> {
        let done = match value {
            Some(value) => {
                let put = "INSERT OR REPLACE INTO gathered VALUES (?1, ?2, ?3, ?4)";
                let put = self.db.prepare_cached(put);
                put.and_then(|mut put| put.execute(params![table, key, at, value]))
            }
            None => {
                let remove = "DELETE FROM gathered WHERE tbl = ?1 AND key = ?2";
                self.db.execute(remove, params![table, key])
            }
        };
        done.map(drop).map_err(failed(&self.what))
    }

    fn tables(&self) -> rusqlite::Result<BTreeSet<String>> {
        let sql = match self.is_gathered {
            true => "SELECT DISTINCT tbl FROM gathered",
            false => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            }
        };
        let mut statement = self.db.prepare(sql)?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        let names: BTreeSet<String> = names.collect::<Result<_, _>>()?;
        // What a row was before its last value depends on when corrections came.
        let is_past =
            |name: &String| name.strip_suffix(REVISIONS).is_some_and(|of| names.contains(of));
        let is_own = |name: &&String| !OWN.contains(&name.as_str()) && !is_past(name);
        Ok(names.iter().filter(is_own).cloned().collect())
    }

    /// The columns of a table of a store, those of its key first and how many these are.
    fn columns(&self, table: &str) -> rusqlite::Result<(Vec<String>, usize)> {
        let sql = "SELECT name, pk FROM pragma_table_info(?1) ORDER BY pk = 0, pk, cid";
        let mut statement = self.db.prepare(sql)?;
        let columns =
            statement.query_map([table], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
        let columns: Vec<(String, i64)> = columns.collect::<Result<_, _>>()?;
        let keys = columns.iter().filter(|(_, key)| *key > 0).count();
        Ok((columns.into_iter().map(|(name, _)| name).collect(), keys))
    }

    /// The statement that reads a table in the order of its key.
    fn select(&self, table: &str, options: &DiffOptions) -> rusqlite::Result<String> {
        let bounds = |column: &str| {
            let from = options.from.map_or(i64::MIN, Time::ns);
            let to = options.to.map_or(i64::MAX, Time::ns);
            format!("{column} >= {from} AND {column} < {to}")
        };
        if self.is_gathered {
            let (table, bounds) = (quoted(table, '\''), bounds("coalesce(at, 0)"));
            let bounds =
                if options.from.or(options.to).is_some() { bounds } else { "1".to_owned() };
            return Ok(format!(
                "SELECT key, value FROM gathered WHERE tbl = {table} AND {bounds} ORDER BY key"
            ));
        }
        let (columns, keys) = self.columns(table)?;
        let names: Vec<String> = columns.iter().map(|name| quoted(name, '"')).collect();
        let bounds = match columns.iter().any(|name| name == "ts_open") {
            true => bounds("ts_open"),
            false => "1".to_owned(),
        };
        let (table, order) = (quoted(table, '"'), names[..keys.max(1)].join(", "));
        Ok(format!("SELECT {} FROM {table} WHERE {bounds} ORDER BY {order}", names.join(", ")))
    }

    /// How many of the columns of [`Side::select`] are the key's, and their names.
    fn layout(&self, table: &str) -> rusqlite::Result<(Vec<String>, usize)> {
        if self.is_gathered { Ok((Vec::new(), 1)) } else { self.columns(table) }
    }
}

/// Compares all tables of both sides.
///
/// # Errors
/// Fails when a side cannot be read.
pub fn diff(sides: &[Side; 2], options: &DiffOptions) -> Result<Vec<TableDiff>, SinkError> {
    let what = format!("{} and {}", sides[0].what, sides[1].what);
    let tables = || -> rusqlite::Result<Vec<TableDiff>> {
        let names: BTreeSet<String> =
            sides[0].tables()?.into_iter().chain(sides[1].tables()?).collect();
        names.iter().map(|table| of_table(sides, table, options)).collect()
    };
    tables().map_err(failed(what))
}

fn of_table(sides: &[Side; 2], table: &str, options: &DiffOptions) -> rusqlite::Result<TableDiff> {
    let mut found = TableDiff { table: table.to_owned(), ..TableDiff::default() };
    let has = [sides[0].tables()?.contains(table), sides[1].tables()?.contains(table)];
    let open = |at: usize| match has[at] {
        true => Ok::<_, rusqlite::Error>((
            sides[at].db.prepare(&sides[at].select(table, options)?)?,
            sides[at].layout(table)?,
        )),
        false => Ok((sides[at].db.prepare("SELECT 1 WHERE 0")?, (Vec::new(), 1))),
    };
    let (mut first, mut second) = (open(0)?, open(1)?);
    let (mut one, mut other) = (first.0.query([])?, second.0.query([])?);
    let mut next = |at: usize| -> rusqlite::Result<Option<Line>> {
        let (rows, layout) = if at == 0 { (&mut one, &first.1) } else { (&mut other, &second.1) };
        rows.next()?.map(|row| line_of(row, layout)).transpose()
    };
    let mut lines = [next(0)?, next(1)?];
    loop {
        let order = match &lines {
            [None, None] => return Ok(found),
            [Some(_), None] => Ordering::Less,
            [None, Some(_)] => Ordering::Greater,
            [Some(a), Some(b)] => a.0.cmp(&b.0),
        };
        found.take(order, &lines, options);
        if order != Ordering::Greater {
            lines[0] = next(0)?;
        }
        if order != Ordering::Less {
            lines[1] = next(1)?;
        }
    }
}

impl TableDiff {
    /// Takes the next rows of both sides: one side's where it has the lesser key, else both.
    fn take(&mut self, order: Ordering, lines: &[Option<Line>; 2], options: &DiffOptions) {
        let only = match order {
            Ordering::Less => Some(0),
            Ordering::Greater => Some(1),
            Ordering::Equal => None,
        };
        let mut cells = Vec::new();
        match (only, lines) {
            (Some(at), _) => {
                self.rows[at] += 1;
                self.only[at] += 1;
            }
            (None, [Some((_, one)), Some((_, other))]) => {
                self.rows = self.rows.map(|rows| rows + 1);
                cells = self.cells(one, other, options);
                self.differing += u64::from(!cells.is_empty());
                for (name, ..) in &cells {
                    *self.by_column.entry(name.clone()).or_default() += 1;
                }
            }
            _ => {}
        }
        if only.is_some() || !cells.is_empty() {
            let row = RowDiff { key: String::new(), only, cells };
            let alike = self.first.iter().filter(|known| known.kind() == row.kind());
            if alike.count() < options.shown {
                let key = lines[only.unwrap_or(0)].as_ref().map(|(key, _)| text_of(key));
                self.first.push(RowDiff { key: key.unwrap_or_default(), ..row });
            }
        }
    }

    fn cells(
        &mut self,
        one: &BTreeMap<String, String>,
        other: &BTreeMap<String, String>,
        options: &DiffOptions,
    ) -> Vec<(String, String, String)> {
        let mut cells = Vec::new();
        for (name, value) in one {
            match other.get(name) {
                None if !self.columns[0].contains(name) => {
                    self.columns[0].insert(name.clone());
                }
                Some(with)
                    if with != value && (options.exact || !ASIDE.contains(&name.as_str())) =>
                {
                    cells.push((name.clone(), value.clone(), with.clone()));
                }
                _ => {}
            }
        }
        for name in other.keys() {
            if !one.contains_key(name) && !self.columns[1].contains(name) {
                self.columns[1].insert(name.clone());
            }
        }
        cells
    }
}

fn line_of(row: &Row<'_>, (columns, keys): &(Vec<String>, usize)) -> rusqlite::Result<Line> {
    let part = |at| -> rusqlite::Result<Part> {
        Ok(match row.get_ref(at)? {
            ValueRef::Integer(value) => Part::Number(value),
            other => Part::Text(value_text(other)),
        })
    };
    let key = (0..*keys).map(part).collect::<Result<_, _>>()?;
    let mut cells = BTreeMap::new();
    for (at, name) in columns.iter().enumerate().skip(*keys) {
        cells.insert(name.clone(), value_text(row.get_ref(at)?));
    }
    if columns.is_empty() {
        let value: Value = serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default();
        let members = value.as_object().cloned().unwrap_or_default();
        cells.extend(members.into_iter().map(|(name, value)| (name, value.to_string())));
    }
    Ok((key, cells))
}

fn text_of(key: &[Part]) -> String {
    let part = |part: &Part| match part {
        Part::Number(number) => number.to_string(),
        Part::Text(text) => text.clone(),
    };
    key.iter().map(part).collect::<Vec<_>>().join(" ")
}

fn value_text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    }
}

fn quoted(text: &str, by: char) -> String {
    format!("{by}{}{by}", text.replace(by, &format!("{by}{by}")))
}
