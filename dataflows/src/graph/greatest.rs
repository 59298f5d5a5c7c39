//! The greatest watermark of the partitions of each process, told to all. A dataflow of its own, without time: what
//! it tells reaches results through decisions that are written down, and through nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::source;
use timely::dataflow::operators::vec::Broadcast;
use timely::worker::Worker;

/// Between two looks whether it was raised.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Raises `greatest` to that of the other processes; one worker of each speaks for all of it. Ends when the worker
/// drops it.
pub(super) fn tell(worker: &mut Worker, greatest: &Arc<AtomicI64>, speaks: bool) {
    worker.dataflow::<u64, _, _>(|scope| {
        let raised = greatest.clone();
        let mut said = i64::MIN;
        let words = source::<_, CapacityContainerBuilder<Vec<i64>>, _, _>(
            scope,
            "Greatest",
            |capability, info| {
                let again = scope.activator_for(info.address);
                move |output| {
                    let now = raised.load(Ordering::SeqCst);
                    if speaks && now > said {
                        said = now;
                        output.session(&capability).give(now);
                    }
                    if speaks {
                        again.activate_after(LOOK_EVERY);
                    }
                }
            },
        );
        let greatest = greatest.clone();
        words.broadcast().unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
            Pipeline,
            "Greatest of all",
            |_, _| {
                move |input, _output| {
                    input.for_each(|_, words| {
                        for word in words.drain(..) {
                            greatest.fetch_max(word, Ordering::SeqCst);
                        }
                    });
                }
            },
        );
    });
}
