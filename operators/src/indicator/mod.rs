//! Indicators: from bars to doubles, one file each, chosen by text through a [`Registry`].
//!
//! An [`Indicator`] takes in `&Bar` and writes its outputs into `&mut [f64]`, in units of currency, NaN
//! while warming up. Sums of prices and sizes are whole numbers and never drift; recursions are TA-Lib's,
//! bit for bit. A carried bar (nothing traded) is a bar like any other. Its state is words that it is
//! lent; [`IndicatorSet`] owns them, runs one indicator or many side by side, and is a kernel.

mod arguments;
mod atr;
mod bb;
mod contract;
mod ema;
mod error;
mod hv;
mod input;
mod macd;
mod mom;
mod number;
mod obv;
mod period;
mod registry;
mod ring;
mod roc;
mod rsi;
mod set;
mod sma;
mod smoothing;
mod spec;
mod standard;
pub mod state;
mod vwap;
mod window;

pub use arguments::Arguments;
pub use atr::Atr;
pub use bb::Bollinger;
pub use contract::Indicator;
pub use ema::Ema;
pub use error::SpecError;
pub use hv::HistoricalVolatility;
pub use input::{Cell, Field, INPUT_MAX, Input};
pub use macd::Macd;
pub use mom::Momentum;
pub use obv::Obv;
pub use period::Period;
pub use registry::{Definition, Registry, SPECS_MAX};
pub use ring::Ring;
pub use roc::Roc;
pub use rsi::Rsi;
pub use set::{IndicatorLayout, IndicatorSet};
pub use sma::Sma;
pub use smoothing::Smoothing;
pub use spec::Spec;
pub use state::Word;
pub use vwap::{BarVwap, SessionVwap};
pub use window::{Spread, Total};
