//! What the indicators' part of a checkpoint is made of: the name of its pieces says it, so that state is
//! never taken for that of other indicators.
//!
//! `Indicators [["1min",[["sma(20)",23],["ema(12) v2",2]]]]`: by width every indicator with the version of its
//! kernel and the words of its state.

use crate::graph::Plan;
use market::{Scales, Width};
use operators::indicator::{IndicatorLayout, Spec};
use serde_json::{Value, json};

const NAME: &str = "Indicators ";

/// An indicator whose state a checkpoint holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub text: String,
    pub words: usize,
}

/// The indicators of one width.
pub(crate) type HeldLane = (Width, Vec<Held>);

/// Those of a list, in its order. How many words they have does not depend on scales.
pub(crate) fn held(specs: &[Spec]) -> Vec<Held> {
    let layout = IndicatorLayout::new(specs, Scales::default());
    let texts = specs.iter().map(Spec::versioned);
    texts.zip(layout.words()).map(|(text, words)| Held { text, words }).collect()
}

/// The widths that have indicators, narrow ones first, each with them.
pub(crate) fn lanes(plan: &Plan) -> Vec<(Width, Vec<Spec>)> {
    let of = |width| (width, plan.indicators_of(width));
    let lanes = plan.sorted_widths().into_iter().map(of);
    lanes.filter(|(_, specs)| !specs.is_empty()).collect()
}

/// The name of the pieces that hold the indicators of a plan.
pub(crate) fn name_of(plan: &Plan) -> String {
    let lane = |(width, specs): (Width, Vec<Spec>)| {
        let held = held(&specs).into_iter().map(|held| json!([held.text, held.words]));
        json!([width.to_string(), held.collect::<Vec<_>>()])
    };
    let lanes: Vec<Value> = lanes(plan).into_iter().map(lane).collect();
    format!("{NAME}{}", Value::from(lanes))
}

/// Whether pieces of this name are indicators'.
pub(crate) fn is_indicators(name: &str) -> bool {
    name.starts_with(NAME)
}

/// What pieces of this name hold; none where it does not say that.
pub(crate) fn parse(name: &str) -> Option<Vec<HeldLane>> {
    let lanes: Value = serde_json::from_str(name.strip_prefix(NAME)?).ok()?;
    let held = |held: &Value| {
        let words = usize::try_from(held.get(1)?.as_u64()?).ok()?;
        Some(Held { text: held.get(0)?.as_str()?.to_owned(), words })
    };
    let lane = |lane: &Value| {
        let list = lane.get(1)?.as_array()?.iter().map(held).collect::<Option<_>>()?;
        Some((lane.get(0)?.as_str()?.parse().ok()?, list))
    };
    lanes.as_array()?.iter().map(lane).collect()
}
