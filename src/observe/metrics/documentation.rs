//! The table of metrics as a page.

use super::{Of, all};

/// `docs/metrics.md`.
pub fn documentation() -> String {
    let mut answer = String::from(
        "# Metrics\n\n\
         Each process serves them at `/metrics` of its `observe.listen`, as OpenMetrics text, which Prometheus reads. Counts\n\
         begin at zero with the process; those of records go on from the checkpoint. A histogram has `_bucket`, `_sum` and\n\
         `_count`. Partitions are labelled by name (`topic/number`, or a file) and by their number in the run; what becomes of\n\
         trades of sources with `repartition` is counted under the name `pooled`, where their symbols are.\n\n\
         | metric | kind | unit | labels | what it says |\n|---|---|---|---|---|\n",
    );
    for metric in all() {
        let kind = match metric.of {
            Of::Counter(_) => "counter",
            Of::Gauge(_) => "gauge",
            Of::Histogram(_) => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, labels) = (metric.full_name(), labels.join(" "));
        let (unit, help) = (metric.unit, metric.help);
        answer += &format!("| `{name}` | {kind} | {unit} | {labels} | {help} |\n");
    }
    answer
}
