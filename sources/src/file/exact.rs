//! Prices and sizes out of columns: as they are, times a decimal factor, the middle of two, a constant.
//! All exact: what does not fit the scale is refused and never rounded.

use super::block::Block;
use super::desk::Desk;
use crate::layout::{Factor, Number};
use market::{FixedError, Reason, Scale, SymbolId};

/// What tells the price from the size.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    name: &'static str,
    reason: Reason,
}

impl Field {
    pub(crate) const PRICE: Field = Field { name: "price", reason: Reason::Price };
    pub(crate) const SIZE: Field = Field { name: "size", reason: Reason::Size };
}

pub(crate) fn numbers<B: Block, T>(
    block: &B,
    number: &Number<usize>,
    ids: &[SymbolId],
    field: Field,
    desk: &mut Desk,
    make: impl Fn(i64) -> T,
    out: &mut Vec<T>,
) {
    let Desk { symbols, flaws, .. } = desk;
    if !symbols.has_scales() {
        let mut flaw = |row, error| flaws.number(row, field.name, field.reason, error);
        match number {
            Number::Column(column) => {
                return block.fixed(*column, Scale::NANO, make, out, flaw);
            }
            Number::Constant(text) => {
                let raw = market::parse_fixed(text.as_bytes(), Scale::NANO);
                let raw = raw.unwrap_or_default();
                return out.extend((0..block.rows()).map(|_| make(raw)));
            }
            _ => {}
        }
        for row in 0..block.rows() {
            let raw = number_at(block, number, row, Scale::NANO);
            out.push(make(raw.map_err(|error| flaw(row, error)).unwrap_or_default()));
        }
        return;
    }
    for (row, &id) in ids.iter().enumerate() {
        let scale = match field.reason {
            Reason::Price => symbols.price_scale(id),
            _ => symbols.size_scale(id),
        };
        let raw = number_at(block, number, row, scale).map_err(|error| {
            flaws.number(row, field.name, field.reason, error);
        });
        out.push(make(raw.unwrap_or_default()));
    }
}

fn number_at<B: Block>(
    block: &B,
    number: &Number<usize>,
    row: usize,
    scale: Scale,
) -> Result<i64, FixedError> {
    match number {
        Number::Column(column) => block.fixed_at(*column, row, scale),
        Number::Constant(text) => market::parse_fixed(text.as_bytes(), scale),
        Number::Scaled(column, factor) => scaled(block, *column, row, *factor, scale),
        Number::Mid(bid, ask) => {
            let bid = i128::from(block.fixed_at(*bid, row, scale)?);
            let sum = bid + i128::from(block.fixed_at(*ask, row, scale)?);
            if sum % 2 != 0 {
                return Err(FixedError::Inexact(scale.digits()));
            }
            i64::try_from(sum / 2).map_err(|_| FixedError::Overflow(scale.digits()))
        }
    }
}

/// `value * mantissa * 10^-decimals`: the value is read at a scale that is smaller by the decimals, and
/// only when it has more digits than that holds, at a larger one and divided exactly.
fn scaled<B: Block>(
    block: &B,
    column: usize,
    row: usize,
    factor: Factor,
    scale: Scale,
) -> Result<i64, FixedError> {
    let overflow = FixedError::Overflow(scale.digits());
    let mantissa = i128::from(factor.mantissa);
    let shift = i32::from(scale.digits()) - i32::from(factor.decimals);
    if let Some(smaller) = u8::try_from(shift).ok().and_then(Scale::new) {
        match block.fixed_at(column, row, smaller) {
            Err(FixedError::Inexact(_)) => {}
            raw => return i64::try_from(i128::from(raw?) * mantissa).map_err(|_| overflow),
        }
    }
    let digits = scale.digits().max(12);
    let wide = Scale::new(digits).unwrap_or_default();
    let product = i128::from(block.fixed_at(column, row, wide)?) * mantissa;
    let unit = 10i128.pow(u32::try_from(i32::from(digits) - shift).unwrap_or_default());
    if product % unit != 0 {
        return Err(FixedError::Inexact(scale.digits()));
    }
    i64::try_from(product / unit).map_err(|_| overflow)
}
