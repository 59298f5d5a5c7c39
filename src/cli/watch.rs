//! What may happen to a run from outside: Ctrl-C, and a panic in one of its threads.

use super::Failure;
use dataflows::Watch;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The one stop flag of this process: a handler is set once.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The exit code of a process that lost another one.
const LOST_PEER: u8 = 4;

/// A watch whose run Ctrl-C (and a polite kill) ends with what is complete; a second one ends the
/// process at once.
pub(super) fn interruptible() -> Result<Watch, Failure> {
    let watch = Watch::default();
    if STOP.set(watch.stop.clone()).is_ok() {
        let on_signal = || {
            let stopped = STOP.get().is_some_and(|stop| stop.swap(true, Ordering::SeqCst));
            if stopped {
                std::process::exit(130);
            }
        };
        ctrlc::set_handler(on_signal)
            .map_err(|error| Failure::failed(format!("cannot watch for Ctrl-C: {error}")))?;
    }
    Ok(watch)
}

/// Ends this process when its supervisor is gone, however that ended: nobody would start the set again, and a
/// new supervisor's processes would find the store and the addresses taken.
pub(super) fn end_with_supervisor() {
    std::thread::spawn(|| {
        // The supervisor writes nothing: this returns when the pipe is closed.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        end_with(LOST_PEER, "the supervisor of this process is gone, so it ends");
    });
}

/// A worker that panics would leave the others waiting for ever: the process ends instead. A library
/// that gives up on a corrupt file is no such fault: the run then says which file it is.
pub(super) fn abort_on_panic() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if sources::panic_is_guarded() {
            return;
        }
        // Sockets of the workers are read and written there, and nothing else.
        if info.location().is_some_and(|at| at.file().contains("timely_communication")) {
            // A signal that all were sent comes to one of them first.
            if STOP.get().is_some_and(|stop| stop.load(Ordering::SeqCst)) {
                end_with(
                    super::STOPPED,
                    "interrupted, and so was another process of this run; what was complete is stored",
                );
            }
            end_with(
                LOST_PEER,
                "another process of this run is gone, so this one ends; a second run goes on from what is stored",
            );
        }
        default(info);
        end_with(
            super::FAILED,
            "this is a fault of the program, and it ends here; a second run goes on from what is stored",
        );
    }));
}

/// Ends the process at once, but for what it has to say.
fn end_with(code: u8, message: &str) -> ! {
    super::output::complain(message);
    crate::observe::flush();
    std::process::exit(i32::from(code));
}
