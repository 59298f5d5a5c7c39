//! The columns of a batch that are there only where some row has something to say: what a record does, what a trade
//! counts for, and those of fields that not all messages have.
//!
//! A column is empty, or has a value for every row. The first row that differs fills it up with what stands for
//! nothing; a batch without such rows costs a look at the texts and no memory.

use super::block::{Block, cell, shown};
use super::desk::Desk;
use crate::Tape;
use crate::layout::{Bound, Text};
use market::{Price, Reason, Side, Size, SymbolId, Time, TradeId, Trades, TransType, Updates};

/// Puts a value where every row before has one, or what stands for none.
fn put<T: Copy + Default>(column: &mut Vec<T>, row: usize, value: T) {
    column.resize(row, T::default());
    column.push(value);
}

/// Reads what the rows do; whether one of them corrects a trade.
pub(super) fn trans_types<B: Block>(
    block: &B,
    text: &Text<usize>,
    base: usize,
    desk: &mut Desk,
    out: &mut Vec<TransType>,
) -> bool {
    let is_new = |value: &[u8]| matches!(value, b"" | b"new");
    if let Some((_, values)) = text.column().and_then(|column| block.dictionary(column))
        && matches!(text, Text::Column(_))
        && values.into_iter().all(is_new)
    {
        return false;
    }
    let mut corrects = false;
    for row in 0..block.rows() {
        let value = cell(block, text, row, &mut desk.text);
        if value.is_some_and(is_new) {
            continue;
        }
        match value.and_then(TransType::of_name) {
            Some(TransType::New) => {}
            Some(trans) => {
                corrects = true;
                put(out, base + row, trans);
            }
            None => {
                let given = value.map_or_else(|| "an unmapped value".to_owned(), shown);
                let detail = format!("trans_type: wanted new, cancel or replace, not {given}");
                desk.flaws.push(row, Reason::TransType, detail);
            }
        }
    }
    corrects
}

/// Reads what the rows count for by the rules of a tape.
pub(super) fn conditions<B: Block>(
    block: &B,
    (tape, text): (Tape, &Text<usize>),
    base: usize,
    desk: &mut Desk,
    out: &mut Vec<Updates>,
) {
    let keyed = match text {
        Text::Column(column) => block.dictionary(*column),
        _ => None,
    };
    let keyed = keyed.map(|(keys, values)| {
        (keys, values.into_iter().map(|value| tape.updates(value)).collect::<Vec<_>>())
    });
    if let Some((_, values)) = &keyed
        && values.iter().all(|value| *value == Some(Updates::ALL))
    {
        return;
    }
    for row in 0..block.rows() {
        let known = keyed.as_ref().and_then(|(keys, values)| *values.get(keys[row] as usize)?);
        let value = known.or_else(|| tape.updates(cell(block, text, row, &mut desk.text)?));
        match value {
            Some(Updates::ALL) => {}
            Some(updates) => put(out, base + row, updates),
            None => {
                let given = cell(block, text, row, &mut desk.text);
                let given = given.map_or_else(|| "an unmapped value".to_owned(), shown);
                let wanted = "the codes of a tape as \"@ F I\", or a list of them";
                let detail = format!("conditions: wanted {wanted}, not {given}");
                desk.flaws.push_spare(row, Reason::Field, detail);
            }
        }
    }
}

/// Makes whole for the rows before `base` what those from there on have: messages of a batch may differ.
pub(super) fn begin(base: usize, bound: &Bound, desk: &mut Desk, trades: &mut Trades) {
    if base == 0 {
        return;
    }
    if bound.trade_id.is_some() {
        trades.trade_id.resize(base, TradeId::NONE);
    }
    if bound.venue.is_some() && trades.venue.len() < base {
        trades.venue.resize(base, no_venue(desk));
    }
    if bound.side.is_some() {
        trades.side.resize(base, Side::Unknown);
    }
}

/// Makes whole, for the rows that are there now, what some of them have.
pub(super) fn end(desk: &mut Desk, trades: &mut Trades) {
    fn whole<T: Copy>(column: &mut Vec<T>, rows: usize, blank: T) {
        if !column.is_empty() {
            column.resize(rows, blank);
        }
    }
    let rows = trades.len();
    whole(&mut trades.trade_id, rows, TradeId::NONE);
    whole(&mut trades.side, rows, Side::Unknown);
    whole(&mut trades.trans, rows, TransType::New);
    whole(&mut trades.updates, rows, Updates::ALL);
    if !trades.venue.is_empty() && trades.venue.len() < rows {
        trades.venue.resize(rows, no_venue(desk));
    }
}

/// Empties the columns in which nobody has anything to say, because those who had are gone.
pub(super) fn tidy(trades: &mut Trades) {
    if trades.trans.iter().all(|trans| *trans == TransType::New) {
        trades.trans.clear();
    }
    if trades.updates.iter().all(|updates| *updates == Updates::ALL) {
        trades.updates.clear();
    }
}

/// The venue that stands for none.
fn no_venue(desk: &mut Desk) -> SymbolId {
    desk.symbols.text(b"-").unwrap_or_default()
}

/// Corrections among the rows from `base` on name a trade by its id. What else a cancel says counts for nothing,
/// wrong or not, and is taken out, so that nobody uses it.
pub(super) fn settle(base: usize, desk: &mut Desk, trades: &mut Trades) {
    for row in base..trades.len() {
        let trans = trades.trans[row];
        if trans == TransType::New {
            continue;
        }
        if trades.trade_id.get(row).is_none_or(|id| *id == TradeId::NONE) {
            desk.flaws.missing(row - base, "trade_id", Reason::Field);
        }
        if trans == TransType::Cancel {
            trades.ts_event[row] = Time::default();
            trades.price[row] = Price::from_raw(0);
            trades.size[row] = Size::from_raw(0);
            if let Some(side) = trades.side.get_mut(row) {
                *side = Side::Unknown;
            }
            if let Some(updates) = trades.updates.get_mut(row) {
                *updates = Updates::ALL;
            }
        }
    }
    tidy(trades);
    desk.flaws.forgive(|row| trades.trans[base + row] == TransType::Cancel);
}
