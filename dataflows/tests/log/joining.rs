//! Logs that join a run.

use crate::log::Log;
use dataflows::{JoinOpener, Joins, Opener, Start};
use market::{Epoch, Partition};
use std::sync::{Arc, Mutex};

/// Has a log join: behind another once that one has ended.
fn put(joins: &Joins, number: usize, behind: bool, open: JoinOpener) {
    if !behind {
        return joins.put(number, open);
    }
    joins.expect(0);
    let joins = joins.clone();
    std::thread::spawn(move || {
        while !joins.has_ended(0) && !joins.is_over() {
            std::thread::yield_now();
        }
        joins.put(number, open);
    });
}

/// Has a log join, unless that was decided before: then it is opened as the others are.
pub fn join(
    mut log: Log,
    decided: &Arc<Mutex<Option<Epoch>>>,
    behind: bool,
    (joins, number): (&Joins, usize),
) -> Option<Opener> {
    let known = *decided.lock().unwrap();
    let decided = decided.clone();
    match known {
        Some(epoch) => {
            return Some(Box::new(move |start: Start| {
                log.begin(epoch);
                start.saved.iter().for_each(|saved| log.restore(saved));
                Ok(Box::new(log) as Box<dyn Partition>)
            }));
        }
        None => {
            let open: JoinOpener = Box::new(move |_: Start, epoch: Epoch| {
                *decided.lock().unwrap() = Some(epoch);
                log.begin(epoch);
                Ok(Box::new(log) as Box<dyn Partition>)
            });
            put(joins, number, behind, open);
        }
    }
    None
}
