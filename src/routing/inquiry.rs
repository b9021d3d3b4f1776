//! What routing may ask about a request.

use std::borrow::Cow;

use crate::resources::Model;

/// A request as the choice of its target sees it. Nothing is worked out before it is asked for: a direct alias asks
/// nothing at all.
pub trait Inquiry {
    /// The first value of a header, if it is text. `name` in lower case.
    fn header(&self, name: &str) -> Option<&str>;

    /// The value of a cookie.
    fn cookie(&self, name: &str) -> Option<&str>;

    /// The id of the caller's key.
    fn key_id(&self) -> &str;

    /// The caller's address as text, for hashing.
    fn client(&self) -> Option<Cow<'_, str>>;

    /// The request's `prompt_cache_key`.
    fn prompt_cache_key(&self) -> Option<Cow<'_, str>>;

    /// Do the row's `allowed_cidrs` admit the caller's address? Asked of targets and of the aliases between.
    fn admitted(&self, model: &Model) -> bool;

    /// Can a direct model serve this operation at all?
    fn serves(&self, model: &Model) -> bool;

    /// A hash of the session that the request names itself: its `prompt_cache_key`, or an agent's session header.
    fn session(&self) -> Option<u64>;

    /// A hash of the stored answer that the request goes on from: only the target that gave it knows it.
    fn bound(&self) -> Option<u64> {
        None
    }

    /// A hash of how the conversation begins, the same on every turn. None on the first turn, so that requests that
    /// merely begin alike are spread.
    fn conversation(&self) -> Option<u64>;

    /// The same on the first turn too, for `hash_on: conversation`.
    fn beginning(&self) -> Option<u64> {
        self.conversation()
    }

    /// Does the caller want a stream?
    fn stream(&self) -> bool;

    /// Will nobody follow the choice? Then nothing that is counted moves.
    fn dry(&self) -> bool {
        false
    }

    /// A random number, a new one each time.
    fn random(&self) -> u64;
}
