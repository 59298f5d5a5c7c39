//! The metrics: one table says name, kind, unit, labels, meaning and value of each. `docs/metrics.md` and what
//! `/metrics` answers are made from it.

mod documentation;

pub use documentation::documentation;

use super::measures::{CALLS, STAGES};
use super::seen::Seen;
use market::{Counts, Reason};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::atomic::Ordering;

/// Takes the values of a metric, each with those of its labels.
type Numbers<'a> = &'a mut dyn FnMut(&[&str], f64);
/// Takes histograms likewise.
type Times<'a> = &'a mut dyn FnMut(&[&str], &Histogram);

/// What a metric's values are.
pub(super) enum Of {
    Counter(fn(&Seen, Numbers<'_>)),
    Gauge(fn(&Seen, Numbers<'_>)),
    Histogram(fn(&Seen, Times<'_>)),
}

/// One metric.
pub(super) struct Metric {
    /// Without the `_total` that a counter's ends with.
    pub name: &'static str,
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
    pub of: Of,
}

const PARTITION: &[&str] = &["partition", "number"];

const METRICS: &[Metric] = &[
    Metric {
        name: "tidemill_build_info",
        unit: "",
        labels: &["version", "deployment", "process"],
        help: "Always 1; its labels say what runs",
        of: Of::Gauge(|seen, put| {
            let process = seen.run.process.to_string();
            put(&[env!("CARGO_PKG_VERSION"), &seen.run.deployment, &process], 1.0);
        }),
    },
    Metric {
        name: "tidemill_run_seconds",
        unit: "seconds",
        labels: &[],
        help: "Since the run began",
        of: Of::Gauge(|seen, put| put(&[], seen.seconds)),
    },
    Metric {
        name: "tidemill_records_read",
        unit: "records",
        labels: PARTITION,
        help: "Records read; each is used or refused",
        of: Of::Counter(|seen, put| partitions(seen, put, |one| one.known.counts.read as f64)),
    },
    Metric {
        name: "tidemill_records_used",
        unit: "records",
        labels: PARTITION,
        help: "Records admitted",
        of: Of::Counter(|seen, put| counted(seen, put, |counts| counts.used)),
    },
    Metric {
        name: "tidemill_records_refused",
        unit: "records",
        labels: &["reason"],
        help: "Records refused, by the reasons of docs/command.md",
        of: Of::Counter(|seen, put| {
            let counts = Reason::ALL.iter().zip(seen.counts.refused);
            counts.for_each(|(reason, count)| put(&[reason.code()], count as f64));
        }),
    },
    Metric {
        name: "tidemill_left_out",
        unit: "records",
        labels: PARTITION,
        help: "Records behind history that history holds, or before what was asked for: not read, and counted nowhere else",
        of: Of::Counter(|seen, put| partitions(seen, put, |one| one.known.counts.left_out as f64)),
    },
    Metric {
        name: "tidemill_trades_late",
        unit: "trades",
        labels: PARTITION,
        help: "Trades admitted whose bar had closed in their own partition",
        of: Of::Counter(|seen, put| counted(seen, put, |counts| counts.late)),
    },
    Metric {
        name: "tidemill_trades_flagged",
        unit: "trades",
        labels: PARTITION,
        help: "Trades admitted and flagged as outliers",
        of: Of::Counter(|seen, put| counted(seen, put, |counts| counts.flagged)),
    },
    Metric {
        name: "tidemill_rows",
        unit: "rows",
        labels: &["table"],
        help: "Rows of complete epochs that came, returned ones among them, on process 0",
        of: Of::Counter(|seen, put| {
            seen.tables.iter().for_each(|table| put(&[&table.name], table.added as f64));
        }),
    },
    Metric {
        name: "tidemill_rows_revised",
        unit: "rows",
        labels: &["table"],
        help: "Changes of rows that were there, removals and returns among them, on process 0",
        of: Of::Counter(|seen, put| {
            seen.tables.iter().for_each(|table| put(&[&table.name], table.revised as f64));
        }),
    },
    Metric {
        name: "tidemill_symbol_in_many_partitions",
        unit: "symbols",
        labels: &[],
        help: "Symbols owned here whose trades came through several partitions: copies among those are not seen",
        of: Of::Gauge(|seen, put| put(&[], seen.spread_symbols as f64)),
    },
    Metric {
        name: "tidemill_epochs_open",
        unit: "epochs",
        labels: &[],
        help: "Epochs that a partition has entered and that are not complete",
        of: Of::Gauge(|seen, put| put(&[], seen.epochs_open as f64)),
    },
    Metric {
        name: "tidemill_frontier_lag_seconds",
        unit: "seconds",
        labels: &[],
        help: "How far the frontier, before which all is complete, is behind the clock; absent before the first epoch is complete",
        of: Of::Gauge(|seen, put| seen.frontier_lag.into_iter().for_each(|lag| put(&[], lag))),
    },
    Metric {
        name: "tidemill_frontier_stands_seconds",
        unit: "seconds",
        labels: &[],
        help: "Since the frontier moved",
        of: Of::Gauge(|seen, put| put(&[], seen.frontier_stands)),
    },
    Metric {
        name: "tidemill_partition_holds_frontier",
        unit: "",
        labels: PARTITION,
        help: "1 where nothing becomes complete before this partition goes on",
        of: Of::Gauge(|seen, put| partitions(seen, put, |one| f64::from(u8::from(one.holds)))),
    },
    Metric {
        name: "tidemill_watermark_lag_seconds",
        unit: "seconds",
        labels: PARTITION,
        help: "How far the partition's watermark is behind the clock; absent before its first record",
        of: Of::Gauge(|seen, put| partitions(seen, put, |one| one.lag)),
    },
    Metric {
        name: "tidemill_partition_behind",
        unit: "messages",
        labels: PARTITION,
        help: "Messages that wait in the topic, asked every 5 s; of topics alone",
        of: Of::Gauge(|seen, put| {
            partitions(seen, put, |one| one.behind.map(|behind| behind as f64));
        }),
    },
    Metric {
        name: "tidemill_source_away_seconds",
        unit: "seconds",
        labels: &["source"],
        help: "Since the brokers of the source last answered; 0 while they do; of topics alone",
        of: Of::Gauge(|seen, put| {
            for answer in &seen.brokers {
                let away = answer.error.as_ref().map(|_| answer.answered.elapsed().as_secs_f64());
                put(&[&answer.source], away.unwrap_or(0.0));
            }
        }),
    },
    Metric {
        name: "tidemill_stage_seconds",
        unit: "seconds",
        labels: &["stage"],
        help: "arrive: from a message's time in Kafka until it is admitted; admit: from read until admitted; write: from an epoch's completion until every sink was given it; durable: until every sink made it durable",
        of: Of::Histogram(|seen, put| {
            STAGES
                .iter()
                .zip(&seen.measures.stages)
                .for_each(|(stage, times)| put(&[stage], times));
        }),
    },
    Metric {
        name: "tidemill_sink_rows",
        unit: "rows",
        labels: &["sink"],
        help: "Rows that a sink was given, on process 0",
        of: Of::Counter(|seen, put| {
            let rows = |sink: &super::measures::SinkMeasure| sink.rows.load(Ordering::Relaxed);
            seen.sinks.iter().for_each(|sink| put(&[&sink.name], rows(sink) as f64));
        }),
    },
    Metric {
        name: "tidemill_sink_letters",
        unit: "records",
        labels: &["sink"],
        help: "Refused records that a sink was given, on process 0",
        of: Of::Counter(|seen, put| {
            let letters =
                |sink: &super::measures::SinkMeasure| sink.letters.load(Ordering::Relaxed);
            seen.sinks.iter().for_each(|sink| put(&[&sink.name], letters(sink) as f64));
        }),
    },
    Metric {
        name: "tidemill_sink_seconds",
        unit: "seconds",
        labels: &["sink", "call"],
        help: "How long a call of a sink takes: write (rows), flush (the end of an epoch), sync (made durable at once)",
        of: Of::Histogram(|seen, put| {
            for sink in &seen.sinks {
                let calls = CALLS.iter().zip(&sink.calls);
                calls.for_each(|(call, times)| put(&[&sink.name, call], times));
            }
        }),
    },
    Metric {
        name: "tidemill_sink_busy_seconds",
        unit: "seconds",
        labels: &["sink"],
        help: "How long the call lasts that the sink is in; 0 where it is in none",
        of: Of::Gauge(|seen, put| {
            let busy = |sink: &super::measures::SinkMeasure| sink.busy().map_or(0.0, |(_, s)| s);
            seen.sinks.iter().for_each(|sink| put(&[&sink.name], busy(sink)));
        }),
    },
    Metric {
        name: "tidemill_checkpoints",
        unit: "checkpoints",
        labels: &[],
        help: "Checkpoints written, on process 0",
        of: Of::Counter(|seen, put| put(&[], seen.checkpoints.written as f64)),
    },
    Metric {
        name: "tidemill_checkpoint_failures",
        unit: "checkpoints",
        labels: &[],
        help: "Checkpoints, or parts of them, that could not be stored; the run goes on without",
        of: Of::Counter(|seen, put| put(&[], seen.checkpoints.failed as f64)),
    },
    Metric {
        name: "tidemill_checkpoint_stored_bytes",
        unit: "bytes",
        labels: &[],
        help: "Bytes of state that this process stored",
        of: Of::Counter(|seen, put| put(&[], seen.checkpoints.bytes as f64)),
    },
    Metric {
        name: "tidemill_checkpoint_age_seconds",
        unit: "seconds",
        labels: &[],
        help: "Since the last checkpoint was written, or the run began, on process 0",
        of: Of::Gauge(|seen, put| {
            if seen.run.process == 0 && seen.run.every_ms.is_some() {
                put(&[], seen.checkpoint_age);
            }
        }),
    },
    Metric {
        name: "tidemill_checkpoint_size_bytes",
        unit: "bytes",
        labels: &[],
        help: "Bytes that the last checkpoint wrote, the parts of all processes together, on process 0",
        of: Of::Gauge(|seen, put| put(&[], seen.checkpoint.bytes as f64)),
    },
    Metric {
        name: "tidemill_checkpoint_seconds",
        unit: "seconds",
        labels: &[],
        help: "From the moment a checkpoint is due until its manifest is written, on process 0",
        of: Of::Histogram(|seen, put| put(&[], &seen.measures.checkpoint)),
    },
    Metric {
        name: "tidemill_worker_turns",
        unit: "turns",
        labels: &["worker"],
        help: "How often a worker looked for work: one that stands still is stalled",
        of: Of::Counter(|seen, put| {
            let workers = seen.workers.iter();
            workers.for_each(|worker| put(&[&worker.number.to_string()], worker.turns as f64));
        }),
    },
    Metric {
        name: "tidemill_conditions",
        unit: "conditions",
        labels: &[],
        help: "What `tidemill status` names as not as it should be, in this process",
        of: Of::Gauge(|seen, put| put(&[], seen.conditions().len() as f64)),
    },
];

fn all() -> impl Iterator<Item = &'static Metric> {
    let others = super::live::METRICS.iter().chain(super::otlp::METRICS);
    METRICS.iter().chain(super::corrected::METRICS).chain(others)
}

fn labels(one: &super::seen::SeenPartition) -> [String; 2] {
    [one.known.name.clone(), one.number.to_string()]
}

fn partitions<V: Into<Option<f64>>>(
    seen: &Seen,
    put: Numbers<'_>,
    value: impl Fn(&super::seen::SeenPartition) -> V,
) {
    for one in &seen.partitions {
        let value = value(one).into().into_iter();
        value.for_each(|value| put(&labels(one).each_ref().map(|text| &**text), value));
    }
}

/// A count of each partition, and of the trades that are judged where their symbol is.
fn counted(seen: &Seen, put: Numbers<'_>, count: fn(&Counts) -> u64) {
    partitions(seen, put, |one| count(&one.known.counts) as f64);
    if seen.pooled != Counts::default() {
        put(&["pooled", ""], count(&seen.pooled) as f64);
    }
}

impl Metric {
    fn encode(&self, seen: &Seen, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.of {
            Of::Counter(_) => MetricType::Counter,
            Of::Gauge(_) => MetricType::Gauge,
            Of::Histogram(_) => MetricType::Histogram,
        };
        let mut metric = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        let named = |values: &[&str]| -> Vec<(&str, String)> {
            self.labels.iter().copied().zip(values.iter().map(|v| (*v).to_owned())).collect()
        };
        let mut done = Ok(());
        match self.of {
            Of::Counter(of) => of(seen, &mut |values, value| {
                let set = named(values);
                let put = metric.encode_family(&set);
                let put =
                    put.and_then(|mut to| to.encode_counter::<NoLabelSet, f64, f64>(&value, None));
                done = done.and(put);
            }),
            Of::Gauge(of) => of(seen, &mut |values, value| {
                let set = named(values);
                done =
                    done.and(metric.encode_family(&set).and_then(|mut to| to.encode_gauge(&value)));
            }),
            Of::Histogram(of) => of(seen, &mut |values, times| {
                let set = named(values);
                done = done.and(metric.encode_family(&set).and_then(|to| times.encode(to)));
            }),
        }
        done
    }

    /// As it stands in a scrape.
    fn full_name(&self) -> String {
        let end = if matches!(self.of, Of::Counter(_)) { "_total" } else { "" };
        format!("{}{end}", self.name)
    }
}

struct All(Seen);

impl fmt::Debug for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("All")
    }
}

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        all().try_for_each(|metric| metric.encode(&self.0, &mut encoder))
    }
}

/// What `/metrics` answers.
pub(super) fn exposition(seen: Seen) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(All(seen)));
    let mut answer = String::new();
    text::encode(&mut answer, &registry).expect("text is written to memory");
    answer
}
