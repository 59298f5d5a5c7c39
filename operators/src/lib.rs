//! Incremental kernels: bars and indicators as pure state machines with exact snapshots.
//!
//! A [`Kernel`] takes in one input at a time, costs O(1), allocates nothing once it is made and cannot
//! fail. [`Kernel::snapshot`] writes its whole state in 64-bit words, and a kernel restored from it goes
//! on as if nothing had happened, bit for bit: so the glue can revise what it said of the past. No
//! clock, no I/O, no hash order; the same inputs give the same bits on every machine.
//!
//! ```
//! use market::{Bar, Price, Scales, Time};
//! use operators::indicator::{IndicatorSet, Registry};
//! use operators::{Kernel, Snapshot};
//!
//! let specs = Registry::standard().parse_list("sma(2), ema(3, of=hl2), macd(12,26,9)")?;
//! let mut set = IndicatorSet::new(&specs, Scales::default());
//! let mut row = vec![0.0; set.outputs()];
//! let bar = |minute: i64, dollars: i64| {
//!     Bar::carried(Time::from_ns(minute * 60_000_000_000), Price::from_raw(dollars * 1_000_000_000))
//! };
//! set.update(&bar(0, 100), &mut row);
//! let mut before = Snapshot::default();
//! set.snapshot(&mut before);
//!
//! set.update(&bar(1, 101), &mut row);
//! assert_eq!((specs[0].outputs()[0].as_str(), row[0]), ("sma_2", 100.5));
//!
//! // The second bar is corrected: back to the state before it, and on.
//! set.restore(&mut before.reader());
//! set.update(&bar(1, 103), &mut row);
//! assert_eq!(row[0], 101.5);
//! assert!(row[1].is_nan(), "ema(3) still warms up");
//! # Ok::<(), operators::indicator::SpecError>(())
//! ```
//!
//! - [`bar`]: the fold of trades into bars, and roll-ups of wider ones.
//! - [`indicator`]: SMA, EMA, RSI, MACD, Bollinger bands, ATR, OBV, VWAP, volatility, momentum, rate of
//!   change, by name through a registry.
//! - [`laws`]: what a kernel must keep, to test one of your own.

pub mod bar;
pub mod indicator;
mod kernel;
pub mod laws;
mod recall;

pub use kernel::{Kernel, Restore, Snapshot};
pub use recall::Recall;
