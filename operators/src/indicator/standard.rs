//! The indicators of this crate by name: what is written, what it means, and what it makes.

use super::{
    Arguments, Atr, BarVwap, Bollinger, Cell, Definition, Ema, Field, HistoricalVolatility, Input,
    Macd, Momentum, Obv, Period, Registry, Roc, Rsi, SessionVwap, Sma, Spec, SpecError,
};
use market::Scales;

/// Standard deviations that a band may lie away.
const DEVIATIONS_MAX: f64 = 100.0;
/// Periods that a year may have: one a second.
const PERIODS_PER_YEAR_MAX: f64 = 31_622_400.0;

type Factory = fn(&mut Arguments) -> Result<Spec, SpecError>;

/// Registers every one.
pub(super) fn register(registry: &mut Registry) {
    for (definition, factory) in AVERAGES.into_iter().chain(OTHERS) {
        registry.register(definition, factory);
    }
}

const AVERAGES: [(Definition, Factory); 5] = [
    (
        Definition {
            version: 1,
            name: "sma",
            written: "sma(period, of=close)",
            formula: "mean of the last period values, from a whole sum",
            warm_up: "period - 1",
            cost: "O(1); period + 3 words",
        },
        sma,
    ),
    (
        Definition {
            version: 1,
            name: "ema",
            written: "ema(period, of=close)",
            formula: "k x + (1 - k) ema before, k = 2 / (period + 1), seeded with the sma",
            warm_up: "period - 1",
            cost: "O(1); 2 words",
        },
        ema,
    ),
    (
        Definition {
            version: 1,
            name: "rsi",
            written: "rsi(period=14, of=close)",
            formula: "100 gain / (gain + loss), Wilder's means of the changes; 50 when flat",
            warm_up: "period",
            cost: "O(1); 4 words",
        },
        |arguments| {
            let (period, field) = (arguments.period("period", 2, Some(14))?, arguments.field()?);
            let build = move |scales| Rsi::new(period, Input::new(field, scales));
            Ok(Spec::new(arguments, &["rsi"], build))
        },
    ),
    (
        Definition {
            version: 1,
            name: "macd",
            written: "macd(fast=12, slow=26, signal=9, of=close)",
            formula: "line = ema(fast) - ema(slow), signal = ema(signal) of the line, hist = line - signal",
            warm_up: "slow + signal - 2",
            cost: "O(1); 6 words",
        },
        macd,
    ),
    (
        Definition {
            version: 1,
            name: "bb",
            written: "bb(period=20, deviations=2, of=close)",
            formula: "upper, middle, lower = sma + d s, sma, sma - d s, s the population standard deviation",
            warm_up: "period - 1",
            cost: "O(1); period + 8 words",
        },
        bb,
    ),
];

const OTHERS: [(Definition, Factory); 6] = [
    (
        Definition {
            version: 1,
            name: "atr",
            written: "atr(period=14)",
            formula: "Wilder's mean of max(high - low, |close before - high|, |close before - low|)",
            warm_up: "period",
            cost: "O(1); 3 words",
        },
        |arguments| {
            let period = arguments.period("period", 1, Some(14))?;
            Ok(Spec::new(arguments, &["atr"], move |scales| Atr::new(period, scales)))
        },
    ),
    (
        Definition {
            version: 1,
            name: "obv",
            written: "obv",
            formula: "volume added where the close rose, taken away where it fell; starts at the first volume",
            warm_up: "0",
            cost: "O(1); 4 words",
        },
        |arguments| Ok(Spec::new(arguments, &["obv"], Obv::new)),
    ),
    (
        Definition {
            version: 1,
            name: "vwap",
            written: "vwap, vwap(session)",
            formula: "sum(price size) / sum(size) of the bar, or of the UTC day so far",
            warm_up: "0, NULL where nothing traded",
            cost: "O(1); 0 or 5 words",
        },
        vwap,
    ),
    (
        Definition {
            version: 1,
            name: "hv",
            written: "hv(period, periods_per_year=252, of=close)",
            formula: "sample standard deviation of log returns, times sqrt(periods_per_year)",
            warm_up: "period",
            cost: "O(1); period + 10 words",
        },
        hv,
    ),
    (
        Definition {
            version: 1,
            name: "mom",
            written: "mom(period, of=close)",
            formula: "x - x[period]",
            warm_up: "period",
            cost: "O(1); period + 1 words",
        },
        |arguments| {
            let (period, field) = (arguments.period("period", 1, None)?, arguments.field()?);
            let build = move |scales| Momentum::new(period, Input::new(field, scales));
            Ok(Spec::new(arguments, &["mom"], build))
        },
    ),
    (
        Definition {
            version: 1,
            name: "roc",
            written: "roc(period, of=close)",
            formula: "100 (x / x[period] - 1)",
            warm_up: "period",
            cost: "O(1); period + 1 words",
        },
        |arguments| {
            let (period, field) = (arguments.period("period", 1, None)?, arguments.field()?);
            let build = move |scales| Roc::new(period, Input::new(field, scales));
            Ok(Spec::new(arguments, &["roc"], build))
        },
    ),
];

fn sma(arguments: &mut Arguments) -> Result<Spec, SpecError> {
    let (period, field) = (arguments.period("period", 1, None)?, arguments.field()?);
    fn build<T: Cell>(period: Period, field: Field) -> impl Fn(Scales) -> Sma<T> {
        move |scales| Sma::new(period, Input::new(field, scales))
    }
    Ok(if field.is_wide() {
        Spec::new(arguments, &["sma"], build::<i128>(period, field))
    } else {
        Spec::new(arguments, &["sma"], build::<i64>(period, field))
    })
}

fn ema(arguments: &mut Arguments) -> Result<Spec, SpecError> {
    let (period, field) = (arguments.period("period", 1, None)?, arguments.field()?);
    let build = move |scales| Ema::new(period, Input::new(field, scales));
    Ok(Spec::new(arguments, &["ema"], build))
}

fn macd(arguments: &mut Arguments) -> Result<Spec, SpecError> {
    let fast = arguments.period("fast", 2, Some(12))?;
    let slow = arguments.period("slow", 2, Some(26))?;
    let signal = arguments.period("signal", 1, Some(9))?;
    let field = arguments.field()?;
    if fast >= slow {
        let wanted = format!("a period shorter than slow ({slow})");
        return Err(arguments.refuse("fast", Some(&fast.to_string()), &wanted));
    }
    let build = move |scales| Macd::new(fast, slow, signal, Input::new(field, scales));
    Ok(Spec::new(arguments, &["macd", "macd_signal", "macd_hist"], build))
}

fn bb(arguments: &mut Arguments) -> Result<Spec, SpecError> {
    let period = arguments.period("period", 2, Some(20))?;
    let deviations = arguments.number("deviations", DEVIATIONS_MAX, 2.0)?;
    let field = arguments.field()?;
    fn build<T: Cell>(
        period: Period,
        deviations: f64,
        field: Field,
    ) -> impl Fn(Scales) -> Bollinger<T> {
        move |scales| Bollinger::new(period, deviations, Input::new(field, scales))
    }
    let outputs = ["bb_upper", "bb_middle", "bb_lower"];
    Ok(if field.is_wide() {
        Spec::new(arguments, &outputs, build::<i128>(period, deviations, field))
    } else {
        Spec::new(arguments, &outputs, build::<i64>(period, deviations, field))
    })
}

fn vwap(arguments: &mut Arguments) -> Result<Spec, SpecError> {
    Ok(if arguments.word("session")? {
        Spec::new(arguments, &["vwap"], SessionVwap::new)
    } else {
        Spec::new(arguments, &["vwap"], BarVwap::new)
    })
}

fn hv(arguments: &mut Arguments) -> Result<Spec, SpecError> {
    let period = arguments.period("period", 2, None)?;
    let per_year = arguments.number("periods_per_year", PERIODS_PER_YEAR_MAX, 252.0)?;
    let field = arguments.field()?;
    let build =
        move |scales| HistoricalVolatility::new(period, per_year, Input::new(field, scales));
    Ok(Spec::new(arguments, &["hv"], build))
}
