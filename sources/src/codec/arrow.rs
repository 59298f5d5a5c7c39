//! Trades out of Arrow's stream format: the columns of a message as the Parquet reader takes them.
//!
//! A message is taken whole or not at all. The library checks what it reads; should it panic on corrupt
//! bytes nevertheless, the message is refused.

use super::json::Special;
use super::{Message, RECORDS_MAX, Refused};
use crate::Decoded;
use crate::RawRecords;
use crate::file::block::decode;
use crate::file::desk::Desk;
use crate::file::guard::guarded;
use crate::file::parquet::column::{Column, Columns};
use crate::layout::{Bound, Layout};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use market::{Offset, Reason};
use std::sync::Arc;

/// How the columns of the messages seen last become trades.
struct Form {
    schema: SchemaRef,
    bound: Bound,
    /// Numbers of the columns that are read, behind those of the stream the ones of [`Special`].
    needed: Vec<usize>,
    names: Vec<String>,
}

/// The decoder of one partition's Arrow.
pub(super) struct Arrow {
    layout: Layout,
    specials: Vec<(Special, String)>,
    form: Option<Form>,
    /// Rows that the filter dropped.
    pub(super) filtered: u64,
}

impl Arrow {
    pub(super) fn new(layout: Layout) -> Self {
        let named = layout.names().into_iter();
        let special = |name: String| Special::of(&name).map(|special| (special, name));
        let specials = named.filter_map(special).collect();
        Arrow { layout, specials, form: None, filtered: 0 }
    }

    /// Takes the records of a message, all or none.
    pub(super) fn take(
        &mut self,
        message: &Message<'_>,
        payload: &[u8],
        desk: &mut Desk,
        into: &mut Decoded,
    ) -> Result<(), Refused> {
        let read = guarded(|| read(payload));
        let read =
            read.unwrap_or_else(|| Err("the bytes are corrupt: the decoder gave up".to_owned()));
        let (schema, batches) = read.map_err(Refused::malformed)?;
        let records: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if records > RECORDS_MAX {
            let detail = format!("{records} records in a message, at most {RECORDS_MAX} are read");
            return Err(Refused::malformed(detail));
        }
        if self.form.as_ref().is_none_or(|form| form.schema != schema) {
            self.form = Some(self.bind(schema)?);
        }
        let Some(form) = &self.form else { return Ok(()) };
        let mut parts = Vec::with_capacity(batches.len());
        for batch in batches {
            let batch =
                widened(batch, &self.specials, message).and_then(|b| b.project(&form.needed));
            parts.push(batch.map_err(|error| Refused::malformed(error.to_string()))?);
        }
        let mut columns = Vec::with_capacity(parts.len());
        let mut dropped = 0;
        for batch in &parts {
            let all = Columns::new(batch, &form.names).map_err(Refused::malformed)?;
            let kept = match form.bound.filter.as_slice() {
                [] => all,
                filter => {
                    let kept = all.kept(filter);
                    dropped += batch.num_rows() - kept.len();
                    all.only(batch, kept).map_err(Refused::malformed)?
                }
            };
            columns.push((kept, batch.num_rows()));
        }
        self.filtered += dropped as u64;
        into.raw = RawRecords::Columns;
        let mut base = Offset::in_message(message.offset, 0).raw();
        for (columns, rows) in &columns {
            let (trades, undecoded) = (into.trades.len(), into.undecoded.len());
            decode(columns, &form.bound, desk, &mut into.trades, &mut into.undecoded);
            let placed = |offset: &mut Offset| *offset = Offset::from_raw(base + offset.raw());
            into.trades.offset[trades..].iter_mut().for_each(placed);
            into.undecoded[undecoded..].iter_mut().for_each(|record| placed(&mut record.offset));
            base += *rows as u64;
        }
        Ok(())
    }

    fn bind(&self, schema: SchemaRef) -> Result<Form, Refused> {
        let mut columns: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        columns.extend(self.specials.iter().map(|(_, name)| name.clone()));
        let bound = Bound::new(&self.layout, &columns)
            .map_err(|error| Refused { reason: Reason::Missing, detail: error.to_string() })?;
        let needed = bound.needed();
        for &column in needed.iter().filter(|&&column| column < schema.fields().len()) {
            let takes_lists = bound.listed() == Some(column);
            Column::check(schema.field(column), takes_lists).map_err(Refused::malformed)?;
        }
        let names = needed.iter().map(|&column| columns[column].clone()).collect();
        let bound = bound.map(&mut |column| needed.binary_search(column).unwrap_or_default());
        Ok(Form { schema, bound, needed, names })
    }
}

fn read(payload: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>), String> {
    let no_stream = |error: ArrowError| format!("not a whole Arrow stream: {error}");
    let reader = StreamReader::try_new(payload, None).map_err(no_stream)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<_, _>>().map_err(no_stream)?;
    Ok((schema, batches))
}

/// With the columns that the message itself gives, each one text for all rows.
fn widened(
    batch: RecordBatch,
    specials: &[(Special, String)],
    message: &Message<'_>,
) -> Result<RecordBatch, ArrowError> {
    if specials.is_empty() {
        return Ok(batch);
    }
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for (special, name) in specials {
        let mut text = Vec::new();
        special.write(message, &mut text);
        let values = StringArray::from(vec![String::from_utf8_lossy(&text).into_owned()]);
        let keys = Int32Array::from(vec![0; batch.num_rows()]);
        let array: ArrayRef =
            Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values))?);
        fields.push(Arc::new(Field::new(name, array.data_type().clone(), false)));
        columns.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
