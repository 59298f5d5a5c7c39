//! Laws of the timeline: any order of changes ends as the clean run, and says only what changed.

use super::*;
use operators::{Restore, Snapshot};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
struct Input(i64, i64);

impl At for Input {
    fn at(&self) -> Time {
        Time::from_ns(self.0)
    }
}

impl Words for Input {
    fn save(&self, to: &mut Snapshot) {
        to.i64s(&[self.0, self.1]);
    }

    fn load(from: &mut Restore<'_>) -> Self {
        Input(from.i64(), from.i64())
    }
}

/// A kernel with an endless memory: every output depends on every input before it.
#[derive(Clone, Default)]
struct Chain(u64);

impl Kernel for Chain {
    type Input = Input;
    type Output = [f64];

    fn update(&mut self, input: &Input, output: &mut [f64]) {
        self.0 = (self.0.rotate_left(7) ^ input.1 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        output[0] = (self.0 >> 12) as f64;
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.u64(self.0);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.0 = from.u64();
    }
}

fn clean(inputs: &BTreeMap<i64, i64>) -> Vec<(i64, f64)> {
    let mut chain = Chain::default();
    let mut output = [0.0];
    let step = |(&at, &value): (&i64, &i64)| {
        chain.update(&Input(at, value), &mut output);
        (at, output[0])
    };
    inputs.iter().map(step).collect()
}

proptest! {
    #[test]
    fn any_order_of_changes_ends_as_the_clean_run(
        changes in prop::collection::vec((0i64..60, any::<i64>(), any::<bool>()), 1..200),
        phase in 0usize..20,
        horizon in 5i64..40,
    ) {
        let mut timeline = Timeline::new(Chain::default(), phase);
        let mut output: Box<[f64]> = vec![0.0].into_boxed_slice();
        let mut inputs = BTreeMap::new();
        let mut said: BTreeMap<i64, (f64, u32)> = BTreeMap::new();
        let mut head = 0;
        for (step, value, settle) in changes {
            // Times wander ahead and fall back by less than the horizon.
            let at = (head - horizon + 1 + step % (horizon + 3)).max(0);
            head = head.max(at);
            inputs.insert(at, value);
            timeline.upsert(&Input(at, value), &mut output);
            if !settle {
                continue;
            }
            timeline.settle(&mut output, |entry| {
                if !entry.changed {
                    return;
                }
                let new = (entry.output[0], entry.revision);
                let old = said.insert(entry.at.ns(), new);
                let expected = old.map_or(0, |(_, revision)| revision + 1);
                assert_eq!(entry.revision, expected);
                assert!(old.is_none_or(|(output, _)| output.to_bits() != new.0.to_bits()));
            });
            timeline.evict(Time::from_ns(head - horizon));
            let outputs: Vec<(i64, f64)> = said.iter().map(|(at, said)| (*at, said.0)).collect();
            prop_assert_eq!(outputs, clean(&inputs));
            prop_assert!(timeline.len() as i64 <= horizon + 3 + 3 * COPY_EVERY as i64);
        }
    }
}
