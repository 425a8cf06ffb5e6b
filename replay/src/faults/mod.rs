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
use crate::wire::Mischief;

pub(crate) use active::Active;
pub(crate) use asked::Asked;
pub use file::{Faults, FaultsError};
pub(crate) use flow::{Dropped, Valve};

use effect::{Effect, Flow};

/// Answers a request as the faults would have it; `answer` is the true answer.
///
/// # Errors
/// When the connection has to be closed instead of an answer.
pub(crate) async fn around<F: Future<Output = Response>>(
    active: &Active,
    store: &Store,
    request: Request,
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
        Effect::Reset(after) => {
            mischief(&request).reset();
            let Some(after) = after else {
                return Err(Dropped);
            };
            let valve = Valve::of(Flow::DropAfter(*after));
            apply::through(valve, request, answer).await
        }
        Effect::SlowHead(bytes_per_second) => {
            mischief(&request).slow_head(*bytes_per_second);
            answer(request).await
        }
        Effect::Redirect(target) => apply::redirect(target),
        Effect::Status(failure) => apply::failure(&asked, failure),
        Effect::Vanish => apply::missing(&asked).into_response(),
        Effect::UnretrievableLog => apply::unretrievable_log(store, &asked),
        Effect::Garbage(bytes) => apply::garbage(answer(request).await, *bytes, decision.draw),
        Effect::Gzip(claim) => apply::gzip(answer(request).await, *claim).await,
        Effect::ContentLength(claim) => apply::wrong_length(answer(request).await, *claim).await,
        Effect::Flow(flow) => apply::through(Valve::of(*flow), request, answer).await,
        Effect::Delay(_) => answer(request).await,
    })
}

/// What the request's connection can do wrong.
fn mischief(request: &Request) -> Mischief {
    let mischief = request.extensions().get::<Mischief>();
    mischief.cloned().unwrap_or_default()
}
