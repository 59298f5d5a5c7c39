//! Indicators against their oracle and their laws.

mod bars;
mod laws;
mod ta_lib;
