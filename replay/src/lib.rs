//! Serves a bundle as a read-only Kubernetes API on loopback.
//!
//! [`Store`] holds what the bundle says, [`serve`] answers requests from it. Lists, gets,
//! watches and tables come from the recorded objects, logs from the recorded logs, and the
//! ports of pods from the recorded scrapes. What the ledger says was refused when the bundle was
//! made is refused again. Nothing can be written, and "now" is the capture time. [`Faults`] make
//! a sick cluster of it.

mod access;
mod admin;
mod args;
mod conversation;
mod discovery;
mod entries;
mod events;
mod exit;
mod faults;
mod fields;
mod foreign;
mod forward;
mod item;
mod ledger;
mod level;
mod load;
mod logs;
mod memory;
mod names;
mod objects;
mod page;
mod protobuf;
mod query;
mod repeat;
mod replay;
mod route;
mod run;
mod scale;
mod selector;
mod server;
mod shape;
mod status;
mod store;
mod synthesize;
mod table;
mod tunnel;
mod watch;
mod wire;

pub use args::Args;
pub use exit::ExitStatus;
pub use faults::{Faults, FaultsError};
pub use replay::Replay;
pub use run::{kubeconfig, run};
pub use scale::{Scale, ScaleError};
pub use server::serve;
pub use store::{OpenError, Store};
