//! What the choice among targets may ask about a request.

use std::borrow::Cow;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use bytes::Bytes;

use super::downstream::Downstream;
use super::exchange::Exchange;
use crate::dialect::conversation::{self, Beginning};
use crate::dialect::{DialectId, skim};
use crate::policy::access;
use crate::policy::auth::Caller;
use crate::resources::Model;
use crate::routing;
use crate::upstream::{Endpoints, Operation};

/// Where the headers of a request are found.
pub trait Head {
    /// First value of a header; `name` in lower case.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

impl<D: Downstream> Head for D {
    fn header(&self, name: &str) -> Option<&[u8]> {
        Downstream::header(self, name)
    }
}

/// One request as it is chosen for. Nothing is worked out before somebody asks.
pub struct Inquiry<'a, H> {
    pub head: &'a H,
    pub caller: &'a Caller,
    pub address: Option<IpAddr>,
    pub dialect: DialectId,
    pub operation: Operation,
    pub stream: bool,
    pub body: &'a Bytes,
    pub endpoints: &'a Endpoints,
    /// Nobody follows the choice: nothing that is counted moves.
    pub dry: bool,
    /// The beginning of the conversation, once it was looked for.
    pub beginning: Cell<Option<Option<Beginning>>>,
}

impl<'a, H: Head> Inquiry<'a, H> {
    pub fn new(
        head: &'a H,
        x: &'a Exchange,
        caller: &'a Caller,
        address: Option<IpAddr>,
        operation: Operation,
        body: &'a Bytes,
    ) -> Self {
        let (dialect, stream, endpoints) = (x.envelope, x.stream, &x.world.endpoints);
        Inquiry {
            head,
            caller,
            address,
            dialect,
            operation,
            stream,
            body,
            endpoints,
            dry: false,
            beginning: Cell::new(None),
        }
    }

    /// The beginning of the conversation: for this caller alone, since what others say is none of its business.
    pub fn beginning(&self) -> Option<Beginning> {
        let known = self.beginning.get().unwrap_or_else(|| {
            let found = conversation::beginning(self.dialect, self.body);
            found.map(|found| Beginning { hash: found.hash ^ hash(self.caller.key.id.as_bytes()), ..found })
        });
        self.beginning.set(Some(known));
        known
    }

    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.head.header(name)?).ok().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// What a stored answer of this caller is known under.
pub fn stored(caller: &Caller, response_id: &str) -> u64 {
    hash(response_id.as_bytes()) ^ hash(caller.key.id.as_bytes()).rotate_left(1)
}

impl<H: Head> routing::Inquiry for Inquiry<'_, H> {
    fn header(&self, name: &str) -> Option<&str> {
        self.text(name)
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.text("cookie")?.split(';');
        pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    fn key_id(&self) -> &str {
        &self.caller.key.id
    }

    fn client(&self) -> Option<Cow<'_, str>> {
        self.address.map(|address| address.to_string().into())
    }

    fn admitted(&self, model: &Model) -> bool {
        access::admits(model, self.address)
    }

    fn serves(&self, model: &Model) -> bool {
        let Ok(servers) = self.endpoints.of(model) else { return true };
        let upstream_model = model.upstream_model(None);
        self.operation == Operation::Generate
            || servers.face().dialect_for(self.dialect, self.operation, &upstream_model) == self.dialect
    }

    fn prompt_cache_key(&self) -> Option<Cow<'_, str>> {
        match self.dialect {
            DialectId::OpenAiChat | DialectId::Responses => skim::string(self.body, &["prompt_cache_key"]),
            DialectId::Anthropic | DialectId::Gemini | DialectId::Bedrock => None,
        }
    }

    fn session(&self) -> Option<u64> {
        let named = SESSION_HEADERS.iter().find_map(|name| self.text(name)).map(Cow::Borrowed);
        let named = named.or_else(|| self.prompt_cache_key())?;
        Some(hash(named.as_bytes()) ^ hash(self.caller.key.id.as_bytes()))
    }

    fn conversation(&self) -> Option<u64> {
        Inquiry::beginning(self).filter(|beginning| beginning.goes_on).map(|beginning| beginning.hash)
    }

    fn beginning(&self) -> Option<u64> {
        Inquiry::beginning(self).map(|beginning| beginning.hash)
    }

    fn bound(&self) -> Option<u64> {
        if self.dialect != DialectId::Responses {
            return None;
        }
        let previous = skim::string(self.body, &["previous_response_id"])?;
        Some(stored(self.caller, &previous))
    }

    fn stream(&self) -> bool {
        self.stream
    }

    fn dry(&self) -> bool {
        self.dry
    }

    fn random(&self) -> u64 {
        RandomState::new().hash_one(0)
    }
}

/// FNV-1a, the same in every process: sessions must find their target at every gateway.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Where agents and applications say which session a request is of: ours, Claude Code, Codex, and what others use.
const SESSION_HEADERS: &[&str] = &[
    "x-aisix-session-id",
    "x-claude-code-session-id",
    "session_id",
    "session-id",
    "conversation_id",
    "x-session-id",
];
