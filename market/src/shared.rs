//! Columns that several hold at once: a batch as it was decoded, on its way through the graph and in the horizon.

use crate::Trades;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A batch of trades that is shared, not copied. Who changes it while others hold it gets a copy of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedTrades(Arc<Trades>);

impl SharedTrades {
    /// The columns, where nobody else holds them.
    pub fn reclaim(self) -> Option<Trades> {
        Arc::into_inner(self.0)
    }

    /// Whether both are the same memory.
    pub fn is_same(&self, other: &SharedTrades) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<Trades> for SharedTrades {
    fn from(trades: Trades) -> Self {
        SharedTrades(Arc::new(trades))
    }
}

impl Deref for SharedTrades {
    type Target = Trades;

    #[inline]
    fn deref(&self) -> &Trades {
        &self.0
    }
}

impl DerefMut for SharedTrades {
    #[inline]
    fn deref_mut(&mut self) -> &mut Trades {
        Arc::make_mut(&mut self.0)
    }
}
