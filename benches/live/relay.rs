//! The reference: the same threads as the graph's, handing frames on as they are.

use super::{Bell, read_frames};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

/// Frames on their way to a thread, and whether these are the last.
#[derive(Default)]
struct Queue {
    frames: Mutex<(Vec<u8>, bool)>,
    bell: Bell,
}

impl Queue {
    fn put(&self, frames: &[u8], last: bool) {
        let mut held = self.frames.lock().expect("no panic");
        held.0.extend_from_slice(frames);
        held.1 |= last;
        drop(held);
        self.bell.ring();
    }

    /// Hands over what comes, until the last.
    fn take(&self, mut each: impl FnMut(&[u8])) {
        let mut frames = Vec::new();
        loop {
            self.bell.wait();
            let mut held = self.frames.lock().expect("no panic");
            std::mem::swap(&mut frames, &mut held.0);
            let last = held.1;
            drop(held);
            each(&frames);
            frames.clear();
            if last {
                return;
            }
        }
    }
}

/// Relays one socket to the other.
pub fn run(mut from: TcpStream, mut to: TcpStream) {
    let (in_queue, out_queue) = (Arc::<Queue>::default(), Arc::<Queue>::default());
    let (worker_in, worker_out, publisher) = (in_queue.clone(), out_queue.clone(), out_queue);
    let worker = std::thread::spawn(move || {
        worker_in.take(|frames| worker_out.put(frames, false));
        worker_out.put(&[], true);
    });
    let publisher = std::thread::spawn(move || {
        publisher.take(|frames| to.write_all(frames).expect("a receiver"));
    });
    read_frames(&mut from, |frames| in_queue.put(frames, false));
    in_queue.put(&[], true);
    worker.join().expect("a worker");
    publisher.join().expect("a publisher");
}
