//! The columns of a record batch as a block of rows.

use super::super::block::Block;
use super::super::csv::written;
use super::super::desk::Desk;
use super::lists;
use crate::layout::{Condition, MomentError};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int64Array,
    RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, TimeUnit};
use market::{Decimal, FixedError, Reason, Scale, SymbolId, Time, parse_fixed, raw_from_f64};

/// A column in one of the few forms that are read.
pub(crate) enum Column {
    Int(Int64Array),
    /// Times in a unit of so many nanoseconds.
    Stamp(Int64Array, i64),
    Double(Float64Array),
    Decimal(Decimal128Array, u8),
    Text(StringArray),
    Keyed(DictionaryArray<Int32Type>),
}

impl Column {
    /// Whether a column can be read at all; lists of texts can where `takes_lists`.
    pub(crate) fn check(field: &Field, takes_lists: bool) -> Result<(), String> {
        use DataType as D;
        let readable = match field.data_type() {
            D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 => true,
            D::UInt64 | D::Float32 | D::Float64 | D::Utf8 | D::LargeUtf8 => true,
            D::Timestamp(_, _) => true,
            D::Decimal128(_, scale) => (0..=18).contains(scale),
            D::Dictionary(keys, values) => **keys == D::Int32 && **values == D::Utf8,
            D::List(item) | D::LargeList(item) => takes_lists && lists::is_text(item),
            _ => false,
        };
        if readable {
            return Ok(());
        }
        let (name, given) = (field.name(), field.data_type());
        Err(format!("column \"{name}\" is {given}: wanted a number, a text or a timestamp"))
    }

    fn new(array: &ArrayRef) -> Option<Column> {
        use DataType as D;
        let stamp = |unit: &TimeUnit| {
            Some(match unit {
                TimeUnit::Second => {
                    Column::Stamp(recast::<TimestampSecondType>(array), 1_000_000_000)
                }
                TimeUnit::Millisecond => {
                    Column::Stamp(recast::<TimestampMillisecondType>(array), 1_000_000)
                }
                TimeUnit::Microsecond => {
                    Column::Stamp(recast::<TimestampMicrosecondType>(array), 1_000)
                }
                TimeUnit::Nanosecond => Column::Stamp(recast::<TimestampNanosecondType>(array), 1),
            })
        };
        match array.data_type() {
            D::Int64 => Some(Column::Int(array.as_primitive::<Int64Type>().clone())),
            D::Int8 => Some(Column::Int(widened::<Int8Type>(array))),
            D::Int16 => Some(Column::Int(widened::<Int16Type>(array))),
            D::Int32 => Some(Column::Int(widened::<Int32Type>(array))),
            D::UInt8 => Some(Column::Int(widened::<UInt8Type>(array))),
            D::UInt16 => Some(Column::Int(widened::<UInt16Type>(array))),
            D::UInt32 => Some(Column::Int(widened::<UInt32Type>(array))),
            // What does not fit becomes nothing, and so is refused where it is wanted.
            D::UInt64 => Some(Column::Int(
                array.as_primitive::<UInt64Type>().unary_opt(|value| i64::try_from(value).ok()),
            )),
            D::Float64 => Some(Column::Double(array.as_primitive::<Float64Type>().clone())),
            // The decimal that the single prints as, not the double that it is.
            D::Float32 => Some(Column::Double(
                array
                    .as_primitive::<Float32Type>()
                    .unary(|value| value.to_string().parse().unwrap_or(f64::NAN)),
            )),
            D::Decimal128(_, scale) => {
                Some(Column::Decimal(array.as_primitive().clone(), u8::try_from(*scale).ok()?))
            }
            D::Timestamp(unit, _) => stamp(unit),
            D::Utf8 => Some(Column::Text(array.as_string().clone())),
            D::LargeUtf8 => {
                let texts = array.as_string::<i64>().iter().collect();
                Some(Column::Text(texts))
            }
            D::Dictionary(_, _) => array.as_dictionary_opt().cloned().map(Column::Keyed),
            D::List(_) | D::LargeList(_) => lists::joined(array).map(Column::Text),
            _ => None,
        }
    }

    fn nulls(&self) -> usize {
        match self {
            Column::Int(array) | Column::Stamp(array, _) => array.null_count(),
            Column::Double(array) => array.null_count(),
            Column::Decimal(array, _) => array.null_count(),
            Column::Text(array) => array.null_count(),
            Column::Keyed(array) => array.null_count() + array.values().null_count(),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Int(array) | Column::Stamp(array, _) => array.is_null(row),
            Column::Double(array) => array.is_null(row),
            Column::Decimal(array, _) => array.is_null(row),
            Column::Text(array) => array.is_null(row),
            Column::Keyed(array) => array.is_null(row) || self.keyed_text(array, row).is_none(),
        }
    }

    fn keyed_text<'a>(&self, array: &'a DictionaryArray<Int32Type>, row: usize) -> Option<&'a str> {
        let key = array.key(row)?;
        let values: &StringArray = array.values().as_string_opt()?;
        (key < values.len() && values.is_valid(key)).then(|| values.value(key))
    }

    fn number(&self, row: usize, scale: Scale) -> Result<i64, FixedError> {
        if self.is_null(row) {
            return Err(FixedError::Empty);
        }
        match self {
            Column::Int(array) => whole(array.value(row), scale),
            Column::Stamp(array, unit) => {
                array.value(row).checked_mul(*unit).ok_or(FixedError::Overflow(0))
            }
            Column::Double(array) => raw_from_f64(array.value(row), scale),
            Column::Decimal(array, from) => rescaled(array.value(row), *from, scale),
            Column::Text(array) => parse_fixed(array.value(row).as_bytes(), scale),
            Column::Keyed(array) => {
                parse_fixed(self.keyed_text(array, row).unwrap_or_default().as_bytes(), scale)
            }
        }
    }

    fn time(&self, row: usize) -> Result<i64, Option<MomentError>> {
        let whole = Scale::new(0).unwrap_or_default();
        match self.number(row, whole) {
            Ok(ns) => Ok(ns),
            Err(FixedError::Empty) => Err(None),
            Err(_) => {
                let mut scratch = Vec::new();
                written(self.text(row, &mut scratch)).map(Time::ns)
            }
        }
    }

    /// As text; nothing when it is null.
    fn text<'a>(&'a self, row: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        scratch.clear();
        if self.is_null(row) {
            return scratch;
        }
        let rendered = match self {
            Column::Text(array) => return array.value(row).as_bytes(),
            Column::Keyed(array) => {
                return self.keyed_text(array, row).unwrap_or_default().as_bytes();
            }
            Column::Int(array) => array.value(row).to_string(),
            Column::Stamp(array, unit) => array.value(row).saturating_mul(*unit).to_string(),
            Column::Double(array) => array.value(row).to_string(),
            Column::Decimal(array, scale) => {
                let scale = Scale::new(*scale).unwrap_or_default();
                Decimal { raw: array.value(row), scale }.to_string()
            }
        };
        scratch.extend_from_slice(rendered.as_bytes());
        scratch
    }
}

/// An array of times as the integers they are.
fn recast<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef) -> Int64Array {
    let stamps = array.as_primitive::<T>();
    Int64Array::new(stamps.values().clone(), stamps.nulls().cloned())
}

fn widened<T: ArrowPrimitiveType>(array: &ArrayRef) -> Int64Array
where
    T::Native: Into<i64>,
{
    array.as_primitive::<T>().unary(Into::into)
}

#[inline]
fn whole(value: i64, scale: Scale) -> Result<i64, FixedError> {
    value.checked_mul(scale.unit()).ok_or(FixedError::Overflow(scale.digits()))
}

fn rescaled(value: i128, from: u8, scale: Scale) -> Result<i64, FixedError> {
    let overflow = FixedError::Overflow(scale.digits());
    let raw = match scale.digits().checked_sub(from) {
        Some(more) => value.checked_mul(10i128.pow(u32::from(more))).ok_or(overflow)?,
        None => {
            let unit = 10i128.pow(u32::from(from - scale.digits()));
            if value % unit != 0 {
                return Err(FixedError::Inexact(scale.digits()));
            }
            value / unit
        }
    };
    i64::try_from(raw).map_err(|_| overflow)
}

/// The columns that are read, in the order of their numbers.
pub(crate) struct Columns<'a> {
    columns: Vec<Column>,
    names: &'a [String],
    rows: usize,
    /// Numbers of the rows within the batch, where some were dropped.
    kept: Option<Vec<u32>>,
}

impl<'a> Columns<'a> {
    pub(crate) fn new(batch: &RecordBatch, names: &'a [String]) -> Result<Self, String> {
        let columns: Option<Vec<Column>> = batch.columns().iter().map(Column::new).collect();
        let columns = columns.ok_or("a column of a type that its schema did not name")?;
        Ok(Columns { columns, names, rows: batch.num_rows(), kept: None })
    }

    /// The rows that a filter keeps.
    pub(crate) fn kept(&self, filter: &[Condition<usize>]) -> Vec<u32> {
        let mut scratch = Vec::new();
        let keeps = |row: &u32| {
            filter.iter().all(|c| c.holds(self.columns[c.column].text(*row as usize, &mut scratch)))
        };
        let mut keeps = keeps;
        (0..self.rows as u32).filter(|row| keeps(row)).collect()
    }

    /// Only the rows that were kept.
    pub(crate) fn only(self, batch: &RecordBatch, kept: Vec<u32>) -> Result<Self, String> {
        let mut keeps = vec![false; self.rows];
        for &row in &kept {
            keeps[row as usize] = true;
        }
        let filtered = arrow_select::filter::filter_record_batch(batch, &BooleanArray::from(keeps))
            .map_err(|error| error.to_string())?;
        let columns = Columns::new(&filtered, self.names)?;
        Ok(Columns { kept: Some(kept), ..columns })
    }
}

impl Block for Columns<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn fixed<T>(
        &self,
        column: usize,
        scale: Scale,
        make: impl Fn(i64) -> T,
        out: &mut Vec<T>,
        mut flaw: impl FnMut(usize, FixedError),
    ) {
        let column = &self.columns[column];
        let mut put = |row: usize, raw: Result<i64, FixedError>| {
            make(raw.unwrap_or_else(|error| {
                flaw(row, error);
                0
            }))
        };
        match column {
            Column::Double(array) if column.nulls() == 0 => {
                let values = array.values().iter().enumerate();
                out.extend(values.map(|(row, &value)| put(row, raw_from_f64(value, scale))));
            }
            Column::Int(array) if column.nulls() == 0 => {
                let values = array.values().iter().enumerate();
                out.extend(values.map(|(row, &value)| put(row, whole(value, scale))));
            }
            Column::Decimal(array, from) if *from == scale.digits() && column.nulls() == 0 => {
                let overflow = FixedError::Overflow(*from);
                let raw = |&value: &i128| i64::try_from(value).map_err(|_| overflow);
                let values = array.values().iter().enumerate();
                out.extend(values.map(|(row, value)| put(row, raw(value))));
            }
            column => out.extend((0..self.rows).map(|row| put(row, column.number(row, scale)))),
        }
    }

    fn fixed_at(&self, column: usize, row: usize, scale: Scale) -> Result<i64, FixedError> {
        self.columns[column].number(row, scale)
    }

    fn times(
        &self,
        column: usize,
        out: &mut Vec<Time>,
        mut flaw: impl FnMut(usize, Option<MomentError>),
    ) {
        let column = &self.columns[column];
        if let Column::Int(array) | Column::Stamp(array, 1) = column
            && column.nulls() == 0
        {
            return out.extend(array.values().iter().map(|&ns| Time::from_ns(ns)));
        }
        out.extend((0..self.rows).map(|row| {
            Time::from_ns(column.time(row).unwrap_or_else(|error| {
                flaw(row, error);
                0
            }))
        }));
    }

    fn symbols(&self, column: usize, desk: &mut Desk, reason: Reason, out: &mut Vec<SymbolId>) {
        let Desk { symbols, flaws, text, .. } = desk;
        let column = &self.columns[column];
        if let Column::Keyed(array) = column
            && column.nulls() == 0
            && let Some(values) = array.values().as_string_opt::<i32>()
        {
            let ids: Vec<_> =
                values.iter().map(|v| symbols.text(v.unwrap_or("").as_bytes())).collect();
            return out.extend(array.keys().values().iter().enumerate().map(|(row, &key)| {
                let id = ids.get(key as usize).copied().unwrap_or(Err(market::SymbolError::Empty));
                id.unwrap_or_else(|error| flaws.symbol(row, reason, error))
            }));
        }
        out.extend((0..self.rows).map(|row| {
            let id = symbols.text(column.text(row, text));
            id.unwrap_or_else(|error| flaws.symbol(row, reason, error))
        }));
    }

    fn text<'a>(&'a self, column: usize, row: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        self.columns[column].text(row, scratch)
    }

    fn integers(&self, column: usize) -> Option<&[i64]> {
        match &self.columns[column] {
            Column::Int(array) if array.null_count() == 0 => Some(array.values()),
            _ => None,
        }
    }

    fn dictionary(&self, column: usize) -> Option<(&[i32], Vec<&[u8]>)> {
        let column = &self.columns[column];
        match column {
            Column::Keyed(array) if column.nulls() == 0 => {
                let values = array.values().as_string_opt::<i32>()?;
                let texts = values.iter().map(|text| text.unwrap_or_default().as_bytes());
                Some((array.keys().values(), texts.collect()))
            }
            _ => None,
        }
    }

    fn row_number(&self, row: usize) -> u64 {
        match &self.kept {
            Some(kept) => u64::from(kept[row]),
            None => row as u64,
        }
    }

    /// As a list of `name=value`: what was read of the row.
    fn raw(&self, row: usize) -> String {
        let mut scratch = Vec::new();
        let cells = self.columns.iter().zip(self.names).map(|(column, name)| {
            let value = column.text(row, &mut scratch);
            format!("{name}={}", super::super::raw::printable(value))
        });
        cells.collect::<Vec<_>>().join(", ")
    }
}
