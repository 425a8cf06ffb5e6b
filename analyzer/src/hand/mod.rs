//! Things that people do with a bundle by hand, on every form and without unpacking.

mod cat;
mod facts;
mod glob;
mod grep;
mod ls;
mod rules;
mod verify;

pub(crate) use cat::cat;
pub(crate) use facts::facts;
pub(crate) use grep::grep;
pub(crate) use ls::ls;
pub(crate) use rules::rules;
pub(crate) use verify::verify;
