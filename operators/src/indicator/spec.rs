//! An indicator as configured: its canonical text, its columns, and how to make it.

use super::{Arguments, Indicator};
use market::Scales;
use std::fmt;
use std::sync::Arc;

type Build = dyn Fn(Scales) -> Box<dyn Indicator> + Send + Sync;

/// An indicator as configured. Two are equal when their canonical texts and versions are.
#[derive(Clone)]
pub struct Spec {
    text: Arc<str>,
    version: u32,
    outputs: Arc<[String]>,
    build: Arc<Build>,
}

impl Spec {
    /// An indicator that writes the columns `outputs`, named after it and the `arguments` taken, and
    /// that `build` makes for an instrument's scales.
    pub fn new<I, B>(arguments: &Arguments, outputs: &[&str], build: B) -> Self
    where
        I: Indicator + 'static,
        B: Fn(Scales) -> I + Send + Sync + 'static,
    {
        Spec {
            text: arguments.canonical().into(),
            version: 1,
            outputs: outputs.iter().map(|output| arguments.column(output)).collect(),
            build: Arc::new(move |scales| Box::new(build(scales))),
        }
    }

    /// The same by a kernel of this version.
    pub(super) fn of_version(self, version: u32) -> Self {
        Spec { version, ..self }
    }

    /// Its text, with the version of its kernel behind it from the second on: what its values depend on.
    pub fn versioned(&self) -> String {
        match self.version {
            0 | 1 => self.text.to_string(),
            version => format!("{} v{version}", self.text),
        }
    }

    /// Its columns, in the order it writes them.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// It, for an instrument of `scales`.
    pub fn build(&self, scales: Scales) -> Box<dyn Indicator> {
        (self.build)(scales)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spec({self})")
    }
}

impl PartialEq for Spec {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.version) == (&other.text, other.version)
    }
}

impl Eq for Spec {}
