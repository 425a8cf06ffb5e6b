//! What the API server must allow. One table, [`needs()`], from which the role is printed, the
//! preflight tells what will be missing, and the Job gets its rights.

mod check;
mod job;
mod needs;
mod preflight;
pub(crate) mod review;
mod role;

pub use job::{Job, print as print_job};
pub use needs::{Need, Place, needs};
pub use preflight::preflight;
pub use role::{Subject, print as print_role};
