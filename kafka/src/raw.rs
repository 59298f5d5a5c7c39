//! What librdkafka can and its wrapper does not show: many messages at a call, and the ids of topics.
//!
//! # Safety
//! Three rules make it sound. A [`Queue`] owns one reference of its topic and its queue, and a share of the
//! client that both belong to; it stops the fetching before it gives them back, and the client goes last. A message
//! lives until the [`Batch`] it came in is dropped, which borrows its queue, and what is read of it borrows the
//! batch. All of librdkafka's functions that are called here may be called by any thread, and by one at a time for
//! one queue, which `&mut` sees to.

#![allow(unsafe_code)]

use crate::client::{Client, failed};
use crate::settings::KafkaError;
use rdkafka::bindings as sys;
use rdkafka::error::RDKafkaErrorCode;
use std::ffi::{CStr, CString, c_char, c_void};
use std::time::Duration;

/// Messages that one call may bring.
pub(crate) const BATCH_MAX: usize = 4_096;

/// One partition's messages, as they arrive.
pub(crate) struct Queue {
    client: Client,
    topic: *mut sys::rd_kafka_topic_t,
    queue: *mut sys::rd_kafka_queue_t,
    partition: i32,
    messages: Vec<*mut sys::rd_kafka_message_t>,
}

// SAFETY: librdkafka's objects belong to no thread, and nothing else holds these.
unsafe impl Send for Queue {}

impl Queue {
    /// Begins to fetch a partition from `offset` on.
    pub fn start(
        client: &Client,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Self, KafkaError> {
        let doing = format!("reading {topic}/{partition} from offset {offset}");
        let name = CString::new(topic).map_err(|error| KafkaError::of(&doing, error))?;
        let native = client.native();
        // SAFETY: the client is alive, the name ends with a zero, and without a configuration a topic takes the client's.
        let (topic, queue) = unsafe {
            let topic = sys::rd_kafka_topic_new(native, name.as_ptr(), std::ptr::null_mut());
            if topic.is_null() {
                return Err(failed(doing, sys::rd_kafka_last_error().into()));
            }
            (topic, sys::rd_kafka_queue_new(native))
        };
        let messages = Vec::with_capacity(BATCH_MAX);
        let started = Queue { client: client.clone(), topic, queue, partition, messages };
        // SAFETY: topic and queue are of this client and live until the fetching is stopped, in `drop`.
        if unsafe { sys::rd_kafka_consume_start_queue(topic, partition, offset, queue) } != 0 {
            // SAFETY: it only reads a number of this thread.
            return Err(failed(doing, unsafe { sys::rd_kafka_last_error() }.into()));
        }
        Ok(started)
    }

    /// The messages that are there; waits at most `wait` for a first one.
    pub fn poll(&mut self, wait: Duration) -> Batch<'_> {
        self.client.serve();
        self.take(Duration::ZERO, BATCH_MAX);
        if self.messages.is_empty() {
            // A call that wants many waits for all of them.
            self.take(wait, 1);
            self.take(Duration::ZERO, BATCH_MAX - 1);
        }
        Batch { queue: self }
    }

    fn take(&mut self, wait: Duration, most: usize) {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let most = most.min(self.messages.capacity() - self.messages.len());
        // SAFETY: behind the messages there is room for `most` more; librdkafka says how many it wrote.
        unsafe {
            let end = self.messages.as_mut_ptr().add(self.messages.len());
            let count = sys::rd_kafka_consume_batch_queue(self.queue, wait_ms, end, most);
            self.messages.set_len(self.messages.len() + usize::try_from(count).unwrap_or(0));
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: no batch lives, for it would borrow this; each is given back once, and the client lives.
        unsafe {
            sys::rd_kafka_consume_stop(self.topic, self.partition);
            sys::rd_kafka_queue_destroy(self.queue);
            sys::rd_kafka_topic_destroy(self.topic);
        }
    }
}

/// Messages that came together; given back when it is dropped.
pub(crate) struct Batch<'a> {
    queue: &'a mut Queue,
}

impl Batch<'_> {
    /// In the order of the log, with what librdkafka says of the partition between them.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = Raw<'_>> {
        // SAFETY: librdkafka gave these pointers, and they are given back in `drop` only.
        self.queue.messages.iter().map(|&message| Raw { message: unsafe { &*message } })
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in self.queue.messages.drain(..) {
            // SAFETY: it came from librdkafka, and this is the one place where it is given back.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
    }
}

/// A message, or an event in its place.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    message: &'a sys::rd_kafka_message_t,
}

impl<'a> Raw<'a> {
    /// What it says instead of being a message.
    pub fn error(self) -> Option<RDKafkaErrorCode> {
        let none = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        (self.message.err != none).then(|| self.message.err.into())
    }

    pub fn offset(self) -> i64 {
        self.message.offset
    }

    pub fn key(self) -> Option<&'a [u8]> {
        bytes(self.message.key, self.message.key_len)
    }

    /// The value; of an event its text.
    pub fn payload(self) -> Option<&'a [u8]> {
        bytes(self.message.payload, self.message.len)
    }

    pub fn timestamp_ms(self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive, and the kind is written to memory of ours.
        let ms = unsafe { sys::rd_kafka_message_timestamp(self.message, &raw mut kind) };
        let is_there = kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        (is_there && ms >= 0).then_some(ms)
    }

    /// The value of the last header of a name, where it has one.
    pub fn header(self, name: &CStr) -> Option<&'a [u8]> {
        let (mut headers, mut value, mut size) = (std::ptr::null_mut(), std::ptr::null(), 0);
        let none = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        // SAFETY: the message is alive and owns its headers, whose bytes live as long; names end with a zero.
        unsafe {
            let found = sys::rd_kafka_message_headers(self.message, &raw mut headers);
            if found != none {
                return None;
            }
            let found = sys::rd_kafka_header_get_last(
                headers,
                name.as_ptr(),
                &raw mut value,
                &raw mut size,
            );
            (found == none).then(|| bytes(value.cast_mut(), size)).flatten()
        }
    }
}

/// Bytes of a message, which live as long as it does.
fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: callers give what librdkafka says of a message that lives for 'a; nothing writes to it.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
}

/// A topic as brokers describe it: its id, 22 letters, and how many partitions it has.
pub(crate) fn describe(
    client: &Client,
    topic: &str,
    wait: Duration,
) -> Result<(String, usize), KafkaError> {
    let doing = || format!("describing topic {topic}");
    let name = CString::new(topic).map_err(|error| KafkaError::of(doing(), error))?;
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    let native = client.native();
    let api = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: the client is alive; librdkafka copies names and options; each object is given back once, the event last,
    // for the description is part of it.
    unsafe {
        let mut names: [*const c_char; 1] = [name.as_ptr()];
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
        let options = sys::rd_kafka_AdminOptions_new(native, api);
        let nowhere = std::ptr::null_mut();
        sys::rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, nowhere, 0);
        let queue = sys::rd_kafka_queue_new(native);
        sys::rd_kafka_DescribeTopics(native, topics, options, queue);
        // The request ends by itself when its time is over.
        let event = sys::rd_kafka_queue_poll(queue, -1);
        let described = description(event, &doing);
        sys::rd_kafka_event_destroy(event);
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_TopicCollection_destroy(topics);
        described
    }
}

/// # Safety
/// The event answers a request to describe one topic.
unsafe fn description(
    event: *mut sys::rd_kafka_event_t,
    doing: &dyn Fn() -> String,
) -> Result<(String, usize), KafkaError> {
    let none = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    // SAFETY: all of it lies in the event, which the caller keeps.
    unsafe {
        let error = sys::rd_kafka_event_error(event);
        if error != none {
            return Err(failed(doing(), error.into()));
        }
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count != 1 {
            return Err(KafkaError::of(doing(), "the answer describes no topic"));
        }
        let error = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(*topics));
        if error != none {
            return Err(failed(doing(), error.into()));
        }
        let id = sys::rd_kafka_Uuid_base64str(sys::rd_kafka_TopicDescription_topic_id(*topics));
        sys::rd_kafka_TopicDescription_partitions(*topics, &raw mut count);
        Ok((CStr::from_ptr(id).to_string_lossy().into_owned(), count))
    }
}
