//! An indicator as configured: its canonical text, its columns, and how to make its kernel.

use super::Arguments;
use crate::Kernel;
use market::{Bar, Scales};
use std::fmt;
use std::sync::Arc;

/// A kernel from bars to a row of doubles.
pub type Indicator = dyn Kernel<Input = Bar, Output = [f64]>;

type Build = dyn Fn(Scales) -> Box<Indicator> + Send + Sync;

/// An indicator as configured. Two are equal when their canonical texts are.
#[derive(Clone)]
pub struct Spec {
    text: Arc<str>,
    outputs: Arc<[String]>,
    build: Arc<Build>,
}

impl Spec {
    /// An indicator that writes the columns `outputs`, named after it and the `arguments` taken, and
    /// whose kernel `build` makes for an instrument's scales.
    pub fn new<K, B>(arguments: &Arguments, outputs: &[&str], build: B) -> Self
    where
        K: Kernel<Input = Bar, Output = [f64]> + 'static,
        B: Fn(Scales) -> K + Send + Sync + 'static,
    {
        Spec {
            text: arguments.canonical().into(),
            outputs: outputs.iter().map(|output| arguments.column(output)).collect(),
            build: Arc::new(move |scales| Box::new(build(scales))),
        }
    }

    /// Its columns, in the order its kernel writes them.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Its kernel for an instrument of `scales`.
    pub fn build(&self, scales: Scales) -> Box<Indicator> {
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
        self.text == other.text
    }
}

impl Eq for Spec {}
