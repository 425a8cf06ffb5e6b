//! Reads a bundle, derives facts, scans logs with every rule's patterns at once, and reports
//! findings with their evidence. Offline and without a clock: "now" is the capture time.
//!
//! ```text
//! bundle ──► facts::parse, per entry ──► facts::derive ─┐
//!        └─► scan (log blocks, all cores) ──────────────┴─► conclude ──► report
//! ```
//!
//! [`analyze()`] is the whole of it. [`Rules`] come from [`load_rules`].

mod analyze;
pub mod args;
mod clock;
mod conclude;
pub mod evidence;
pub mod exit;
pub mod extension;
pub mod facts;
pub mod finding;
mod hand;
pub mod report;
mod rule;
pub mod run;
mod scan;

pub use analyze::{Options, analyze};
pub use rule::fault::{Fault, Faults};
pub use rule::set::Rules;
pub use rule::suppress::Suppressions;
pub use rule::{cases_schema, load_rules, rule_schema};
