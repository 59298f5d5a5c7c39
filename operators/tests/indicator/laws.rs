//! The laws of `operators::laws`, over every registered indicator, alone and side by side.

use crate::bars::{self, SCALES, alone, walks};
use market::{Bar, Price, Time};
use operators::indicator::{Field, IndicatorSet, Registry, Spec};
use operators::{Kernel, laws};
use proptest::prelude::*;

/// Every registered indicator with `period` and, where it takes one, `field`; and how many words of
/// state it may have.
fn specs(period: u32, field: Field) -> Vec<(Spec, usize)> {
    let registry = Registry::standard();
    let n = period as usize;
    let made = registry.definitions().flat_map(|known| {
        let (texts, words): (Vec<String>, usize) = match known.name {
            "sma" => (vec![format!("sma({period}, of={field})")], 2 * n + 3),
            "bb" => (vec![format!("bb({period},2, of={field})")], 2 * n + 8),
            "hv" => (vec![format!("hv({period},252, of={field})")], n + 10),
            "mom" | "roc" => (vec![format!("{}({period}, of={field})", known.name)], n + 1),
            "ema" => (vec![format!("ema({period}, of={field})")], 2),
            "rsi" => (vec![format!("rsi({period}, of={field})")], 4),
            "macd" => (vec![format!("macd({period},{},3, of={field})", period + 3)], 6),
            "atr" => (vec![format!("atr({period})")], 3),
            "obv" => (vec!["obv".into()], 4),
            "vwap" => (vec!["vwap".into(), "vwap(session)".into()], 5),
            other => panic!("{other} has no case here"),
        };
        texts.into_iter().map(move |text| (text, words))
    });
    made.map(|(text, words)| (registry.parse(&text).expect("valid"), words)).collect()
}

fn fields() -> impl Strategy<Value = Field> {
    prop::sample::select(Field::ALL.to_vec())
}

/// Bars that no market makes: every number anywhere in its range.
fn absurd() -> impl Strategy<Value = Vec<Bar>> {
    let volume = prop_oneof![Just(0i128), 0..=(1i128 << 100), Just(1i128 << 100), any::<i128>()];
    let price = prop_oneof![any::<i64>(), Just(i64::MAX), Just(i64::MIN), Just(0), -100i64..100];
    let bar =
        (any::<i64>(), [price.clone(), price.clone(), price.clone(), price], volume, any::<i128>());
    let bars = prop::collection::vec(bar, 1..60);
    bars.prop_map(|bars| bars.into_iter().map(any_bar).collect())
}

fn any_bar((ts, [open, high, low, close], volume, notional): (i64, [i64; 4], i128, i128)) -> Bar {
    let [open, high, low, close] = [open, high, low, close].map(Price::from_raw);
    let trade_count = u64::from(volume != 0);
    Bar { ts_open: Time::from_ns(ts), open, high, low, close, trade_count, volume, notional }
}

fn obeys(spec: &Spec, words: usize, bars: &[Bar], cut: usize) -> Result<(), laws::Broken> {
    let make = || alone(spec);
    let outputs = spec.outputs().len();
    laws::is_deterministic(make, bars, outputs)?;
    laws::survives_restore(make, bars, outputs, cut)?;
    laws::state_is_bounded(make, bars, outputs, words)
}

proptest! {
    #[test]
    fn every_indicator_obeys(bars in walks(), period in 2u32..40, field in fields(), cut in 0usize..200) {
        for (spec, words) in specs(period, field) {
            obeys(&spec, words, &bars, cut % (bars.len() + 1))
                .map_err(|broken| TestCaseError::fail(format!("{spec}: {broken}")))?;
        }
    }

    #[test]
    fn absurd_bars_neither_panic_nor_wrap(bars in absurd(), period in 2u32..9, field in fields(), cut in 0usize..60) {
        for (spec, words) in specs(period, field) {
            obeys(&spec, words, &bars, cut % (bars.len() + 1))
                .map_err(|broken| TestCaseError::fail(format!("{spec}: {broken}")))?;
        }
    }

    #[test]
    fn a_set_is_its_indicators_side_by_side(bars in walks(), period in 2u32..40, cut in 0usize..200) {
        let specs: Vec<_> = specs(period, Field::Close).into_iter().map(|(spec, _)| spec).collect();
        let set = || IndicatorSet::new(&specs, SCALES);
        let outputs = set().outputs();
        let rows = laws::run(&mut set(), &bars, outputs);
        let mut first = 0;
        for spec in &specs {
            let own = spec.outputs().len();
            let alone = laws::run(&mut alone(spec), &bars, own);
            for (row, alone) in rows.chunks_exact(outputs).zip(alone.chunks_exact(own)) {
                let bits = |row: &[f64]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&row[first..first + own]), bits(alone));
            }
            first += own;
        }
        laws::survives_restore(set, &bars, outputs, cut % (bars.len() + 1))
            .map_err(|broken| TestCaseError::fail(broken.to_string()))?;
    }
}

/// A kernel that keeps something to itself.
struct Forgetful(f64);

impl Kernel for Forgetful {
    type Input = f64;
    type Output = [f64];

    fn update(&mut self, input: &f64, output: &mut [f64]) {
        self.0 += input;
        output[0] = self.0;
    }

    fn snapshot(&self, _: &mut operators::Snapshot) {}

    fn restore(&mut self, _: &mut operators::Restore<'_>) {}
}

#[test]
fn the_laws_catch_a_kernel_that_breaks_them() {
    let inputs = [1.0, 2.0, 3.0];
    assert!(laws::survives_restore(|| Forgetful(0.0), &inputs, 1, 1).is_err());
    let spec = Registry::standard().parse("sma(3)").unwrap();
    let bars = [bars::bar(0, [1; 4], 1)];
    let bound = laws::state_is_bounded(|| alone(&spec), &bars, 1, 5);
    assert_eq!(bound, Err(laws::Broken::State { steps: 0, words: 6, bound: 5 }));
}
