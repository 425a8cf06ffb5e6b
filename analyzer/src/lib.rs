//! Reads a bundle, derives facts, scans logs with every rule's patterns at once, and reports
//! findings with their evidence. Offline and without a clock: "now" is the capture time.
//!
//! ```text
//! bundle ──► input (parsed entries) ──► facts ─┐
//!        └─► scan (log blocks, all cores) ─────┴─► conclude ──► report
//! ```

pub mod evidence;
pub mod facts;
pub mod finding;
