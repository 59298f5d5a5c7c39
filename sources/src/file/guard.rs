//! Calls into a decoder library that may panic on corrupt bytes: such a panic is an error of the file.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread, now, is caught and told as an error of the file being read: a panic
/// hook has nothing to say of it.
pub fn panic_is_guarded() -> bool {
    GUARDED.get()
}

/// What the call gives; nothing when it panicked. What it borrows must not be used again then.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    let outer = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(outer);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_guarded_within_the_call_only() {
        assert_eq!(guarded(panic_is_guarded), Some(true));
        assert_eq!(guarded(|| -> u8 { panic!("corrupt bytes") }), None);
        assert!(!panic_is_guarded());
        assert_eq!(guarded(|| (guarded(|| ()), panic_is_guarded())), Some((Some(()), true)));
    }
}
