//! What a checkpoint is made of, as a line of JSON behind its checksum.
//!
//! ```text
//! seq/00000000000000000007   claim      a run's generation and writers, before it writes anything
//! seq/00000000000000000008   manifest   epoch, positions, and the objects that hold the state
//! parts/<generation>/<checkpoint>-<worker>          what the worker held, anew in each checkpoint
//! parts/<generation>/<checkpoint>-<worker>-blocks   what never changes any more, named by later checkpoints too
//! ```
//! Claims and manifests are one numbered sequence, each created only where its number is free. One that is
//! half written, or damaged, takes its number and is not whole.

use market::{Epoch, Offset, Time};
use serde_json::{Value, json};

/// The shape of manifests and of the objects they name.
pub const FORMAT: u64 = 4;

/// Names of claims and manifests.
pub const SEQUENCE: &str = "seq/";
/// Names of the objects that manifests name.
pub(crate) const PARTS: &str = "parts/";

/// How far a partition was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of the partition.
    pub partition: u32,
    /// The last record that was judged, as [`market::Offset::raw`]; none before the first.
    pub offset: Option<u64>,
}

/// A checkpoint: the effect of everything timed before its epoch, and of nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The run that wrote it.
    pub generation: u64,
    /// A hash of what results depend on.
    pub lineage: String,
    /// The parts of that, by name: configuration, inputs, where they begin.
    pub facts: Vec<(String, String)>,
    /// When the first run of the lineage started.
    pub started_at: Time,
    /// Where it is cut; none before the first record.
    pub epoch: Option<Epoch>,
    /// How far the partitions were read.
    pub positions: Vec<Position>,
    /// The objects that hold the state, one a worker.
    pub bundles: Vec<String>,
    /// The objects that hold what was written once, oldest first.
    pub blocks: Vec<String>,
}

/// An entry of the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A run began.
    Claim {
        /// Its generation, above all before.
        generation: u64,
        /// The names of all that write to the outside for it.
        writers: Vec<String>,
    },
    /// A checkpoint is whole.
    Manifest(Manifest),
}

impl Entry {
    /// The run that wrote it.
    pub fn generation(&self) -> u64 {
        match self {
            Entry::Claim { generation, .. } => *generation,
            Entry::Manifest(manifest) => manifest.generation,
        }
    }

    /// As it is stored.
    pub fn encode(&self) -> Vec<u8> {
        self.text().into_bytes()
    }

    /// As it is stored, which is text.
    pub fn text(&self) -> String {
        let body = match self {
            Entry::Claim { generation, writers } => {
                json!({"claim": {"format": FORMAT, "generation": generation, "writers": writers}})
            }
            Entry::Manifest(manifest) => json!({ "manifest": manifest.json() }),
        };
        let body = body.to_string();
        format!("{:016x} {body}\n", checksum(body.as_bytes()))
    }

    /// From what was stored; none where it is not whole, or of another format.
    pub fn decode(bytes: &[u8]) -> Option<Entry> {
        let value = whole(bytes)?;
        if let Some(claim) = value.get("claim") {
            if claim.get("format")?.as_u64()? != FORMAT {
                return None;
            }
            let writers = claim.get("writers")?.as_array()?.iter();
            let writers = writers.map(|writer| writer.as_str().map(str::to_owned));
            let (generation, writers) =
                (claim.get("generation")?.as_u64()?, writers.collect::<Option<_>>()?);
            return Some(Entry::Claim { generation, writers });
        }
        Manifest::from_json(value.get("manifest")?).map(Entry::Manifest)
    }
}

/// The format of a whole entry, where it is not [`FORMAT`].
pub(crate) fn other_format(bytes: &[u8]) -> Option<u64> {
    let value = whole(bytes)?;
    let format = value.as_object()?.values().next()?.get("format")?.as_u64()?;
    (format != FORMAT).then_some(format)
}

/// What was stored, if it is whole.
fn whole(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (sum, body) = text.strip_suffix('\n')?.split_once(' ')?;
    let is_whole = u64::from_str_radix(sum, 16).ok()? == checksum(body.as_bytes());
    is_whole.then(|| serde_json::from_str(body).ok())?
}

impl Manifest {
    /// Of a lineage that begins with these facts: nothing was read of it yet.
    pub fn first(
        generation: u64,
        lineage: String,
        facts: Vec<(String, String)>,
        started_at: Time,
    ) -> Self {
        let (positions, bundles, blocks) = (Vec::new(), Vec::new(), Vec::new());
        Manifest { generation, lineage, facts, started_at, epoch: None, positions, bundles, blocks }
    }

    /// All objects that it names.
    pub fn objects(&self) -> impl Iterator<Item = &String> {
        self.bundles.iter().chain(&self.blocks)
    }

    /// The fact of a name.
    pub fn fact(&self, name: &str) -> Option<&String> {
        self.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The last record of a partition that was judged; none before the first.
    pub fn position(&self, partition: usize) -> Option<Offset> {
        let mut positions = self.positions.iter();
        let position = positions.find(|at| at.partition as usize == partition);
        position.and_then(|position| position.offset).map(Offset::from_raw)
    }

    /// As a JSON document.
    pub fn json(&self) -> Value {
        let positions = self.positions.iter().map(|at| json!([at.partition, at.offset]));
        json!({
            "format": FORMAT,
            "generation": self.generation,
            "lineage": self.lineage,
            "facts": self.facts,
            "started_at_ns": self.started_at.ns(),
            "epoch": self.epoch,
            "positions": positions.collect::<Vec<_>>(),
            "bundles": self.bundles,
            "blocks": self.blocks,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        if value.get("format")?.as_u64()? != FORMAT {
            return None;
        }
        let fact = |fact: &Value| {
            Some((fact.get(0)?.as_str()?.to_owned(), fact.get(1)?.as_str()?.to_owned()))
        };
        let position = |at: &Value| {
            let partition = u32::try_from(at.get(0)?.as_u64()?).ok()?;
            Some(Position { partition, offset: at.get(1)?.as_u64() })
        };
        let texts = |name: &str| {
            let list = value.get(name)?.as_array()?.iter();
            list.map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>()
        };
        let list = |name: &str| value.get(name)?.as_array().map(|list| list.iter());
        Some(Manifest {
            generation: value.get("generation")?.as_u64()?,
            lineage: value.get("lineage")?.as_str()?.to_owned(),
            facts: list("facts")?.map(fact).collect::<Option<_>>()?,
            started_at: Time::from_ns(value.get("started_at_ns")?.as_i64()?),
            epoch: value.get("epoch")?.as_i64(),
            positions: list("positions")?.map(position).collect::<Option<_>>()?,
            bundles: texts("bundles")?,
            blocks: texts("blocks")?,
        })
    }
}

/// FNV-1a: tells a half-written or damaged object from a whole one.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_back_whole_or_not_at_all() {
        let manifest = Manifest {
            generation: 3,
            lineage: "abc".to_owned(),
            facts: vec![("epoch".to_owned(), "1s".to_owned())],
            started_at: Time::from_ns(-5),
            epoch: Some(-7),
            positions: vec![
                Position { partition: 0, offset: Some(u64::MAX - 1) },
                Position { partition: 4, offset: None },
            ],
            bundles: vec!["parts/3/0-0".to_owned()],
            blocks: vec!["parts/2/9-0-blocks".to_owned()],
        };
        let claim = Entry::Claim { generation: 4, writers: vec!["kafka-0".to_owned()] };
        let first = Manifest { epoch: None, ..manifest.clone() };
        for entry in [Entry::Manifest(manifest), Entry::Manifest(first), claim] {
            let bytes = entry.encode();
            assert_eq!(Entry::decode(&bytes), Some(entry));
            for cut in 0..bytes.len() {
                assert_eq!(Entry::decode(&bytes[..cut]), None, "cut at {cut}");
                let mut damaged = bytes.clone();
                damaged[cut] ^= 1;
                assert_eq!(Entry::decode(&damaged), None, "damaged at {cut}");
            }
        }
    }
}
