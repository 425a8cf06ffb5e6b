//! Faults: what makes a recorded cluster a sick one. `docs/replay-faults.md` describes the file.
//!
//! The way of a request: [`asked`] tells what it is, [`active`] decides with the patterns of
//! [`select`] which fault strikes, and this module has it done ([`apply`], [`flow`]). [`mod@file`] and
//! what it stands on ([`yaml`], [`value`], [`effect`], [`glob`]) read the file.

mod active;
mod apply;
mod asked;
mod effect;
mod file;
mod flow;
mod glob;
mod select;
mod value;
mod yaml;

use std::future::Future;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};

use crate::store::Store;

pub(crate) use active::Active;
pub(crate) use asked::Asked;
pub use file::{Faults, FaultsError};
pub(crate) use flow::{Dropped, Valve};

use effect::Effect;

/// Answers a request as the faults would have it; `answer` is the true answer.
///
/// # Errors
/// When the connection has to be closed instead of an answer.
pub(crate) async fn around<F: Future<Output = Response>>(
    active: &Active,
    store: &Store,
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Result<Response, Dropped> {
    if active.is_idle() {
        return Ok(answer(request).await);
    }
    let asked = Asked::of(store, &request);
    let decision = active.decide(&asked);
    tokio::time::sleep(decision.delay).await;
    let Some(effect) = decision.effect else {
        return Ok(answer(request).await);
    };
    Ok(match effect {
        // Ends when the client goes away.
        Effect::Hang => std::future::pending().await,
        Effect::Drop => return Err(Dropped),
        Effect::Status(failure) => apply::failure(&asked, failure),
        Effect::Vanish => apply::missing(&asked).into_response(),
        Effect::UnretrievableLog => apply::unretrievable_log(store, &asked),
        Effect::Garbage(bytes) => apply::garbage(answer(request).await, *bytes, decision.draw),
        Effect::ContentLength(claim) => apply::wrong_length(answer(request).await, *claim).await,
        Effect::Flow(flow) => {
            let valve = Valve::of(*flow);
            request.extensions_mut().insert(valve.clone());
            apply::through(answer(request).await, valve)
        }
        Effect::Delay(_) => answer(request).await,
    })
}
