//! What a record does to trades: whether it is one, takes one back or edits one, and which values of a bar a trade
//! counts for.

use std::ops::BitOr;

/// FIX 487: what a record does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TransType {
    /// It is a trade.
    #[default]
    New,
    /// It takes the trade of its id back; its time, price and size say nothing.
    Cancel,
    /// It gives the trade of its id another time, price and size.
    Replace,
}

impl TransType {
    /// From its number, as `trans as u64` gives it.
    pub const fn of_code(code: u64) -> Option<TransType> {
        match code {
            0 => Some(TransType::New),
            1 => Some(TransType::Cancel),
            2 => Some(TransType::Replace),
            _ => None,
        }
    }

    /// From what a message says; nothing says that it is new.
    #[inline]
    pub fn of_name(name: &[u8]) -> Option<TransType> {
        match name {
            b"" | b"new" => Some(TransType::New),
            b"cancel" => Some(TransType::Cancel),
            b"replace" => Some(TransType::Replace),
            _ => None,
        }
    }

    /// As messages say it.
    pub const fn name(self) -> &'static str {
        match self {
            TransType::New => "new",
            TransType::Cancel => "cancel",
            TransType::Replace => "replace",
        }
    }
}

/// Which values of a bar a trade counts for: its sale conditions may exclude some, as consolidated tapes define it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Updates(u8);

impl Updates {
    /// None of them.
    pub const NONE: Updates = Updates(0);
    /// The last price, and so open and close.
    pub const LAST: Updates = Updates(1);
    /// High and low.
    pub const HIGH_LOW: Updates = Updates(2);
    /// Volume, volume-weighted price and number of trades.
    pub const VOLUME: Updates = Updates(4);
    /// All of them.
    pub const ALL: Updates = Updates(7);

    /// Whether it counts for all that `other` names.
    #[inline]
    pub const fn has(self, other: Updates) -> bool {
        self.0 & other.0 == other.0
    }

    /// What either counts for.
    #[inline]
    #[must_use]
    pub const fn or(self, other: Updates) -> Updates {
        Updates(self.0 | other.0)
    }

    /// What both count for.
    #[inline]
    #[must_use]
    pub const fn and(self, other: Updates) -> Updates {
        Updates(self.0 & other.0)
    }

    /// As a number.
    #[inline]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// From its number.
    pub const fn of_code(code: u64) -> Option<Updates> {
        if code <= 7 { Some(Updates(code as u8)) } else { None }
    }
}

impl BitOr for Updates {
    type Output = Updates;

    fn bitor(self, other: Updates) -> Updates {
        self.or(other)
    }
}

impl Default for Updates {
    fn default() -> Self {
        Updates::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transaction_is_called_is_that_transaction() {
        for code in 0..3 {
            let trans = TransType::of_code(code).unwrap();
            assert_eq!(TransType::of_name(trans.name().as_bytes()), Some(trans));
        }
        assert_eq!(TransType::of_name(b""), Some(TransType::New));
        assert_eq!(TransType::of_name(b"Cancel"), None);
    }
}
