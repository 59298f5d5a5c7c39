//! The nouns of market data: exact prices and sizes, times, symbols, trades, bars, and the rows that
//! leave the engine. Also the seams the graph is plugged between: [`Partition`] (ticks come in,
//! admitted and in log order) and [`Sink`] (rows go out), and [`Judge`], where symbols are spread over
//! partitions. No I/O, no clock, no threads.

mod bar;
mod digits;
mod epoch;
mod fixed;
mod judge;
mod letter;
mod partition;
mod rows;
mod shared;
mod sink;
mod symbol;
mod time;
mod trade;
mod trans;
mod width;

pub use bar::Bar;
pub use digits::append_integer;
pub use epoch::{Epoch, EpochLength, EpochLengthError};
pub use fixed::{Decimal, FixedError, POWERS, Price, Scale, Size, parse_fixed, raw_from_f64};
pub use judge::{Judge, Refused, Trade};
pub use letter::{Counts, DeadLetter, Reason};
pub use partition::{
    Admitted, EachTick, Later, Partition, PartitionError, Polled, Run, Sealed, Touched,
};
pub use partition::{Tick, Waker};
pub use rows::{Body, Cell, Change, ColumnKind, ColumnSpec, RowKey, Rows, TableSpec};
pub use shared::SharedTrades;
pub use sink::{Sink, SinkError};
pub use symbol::{KEY_GROUPS, Scales, SymbolError, SymbolId, Symbols, stable_hash};
pub use time::{Time, TimeError};
pub use trade::{Offset, Side, TradeId, Trades};
pub use trans::{TransType, Updates};
pub use width::{Width, WidthError};
