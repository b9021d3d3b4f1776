//! The doors a caller can come in by. A test that is about the walk and not about the bytes of one protocol is an
//! `async fn(door: Door)` named in one of the lists below, and then runs once for every door of the list.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use super::caller::Caller;
use super::certs::Authority;
use super::client::{Answer, Client, Request, connect, connect_tls};
use super::h2::H2;
use super::setup::Setup;
use super::upstream::Upstream;

/// How callers reach a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// HTTP/1.1 through the gateway's own codec, as by default.
    Lean,
    /// HTTP/1.1 through Pingora's sessions.
    Pingora,
    /// HTTP/2 by prior knowledge.
    Http2,
    LeanTls,
    PingoraTls,
    /// HTTP/2 by ALPN.
    Http2Tls,
}

impl Door {
    /// The standing configuration, with this door open.
    pub fn setup(self, upstream: &Upstream) -> Setup {
        let setup = Setup::standing(upstream, self);
        let setup = match self {
            Door::Pingora | Door::PingoraTls => setup.config("proxy.lean_http1", false),
            Door::Lean | Door::Http2 | Door::LeanTls | Door::Http2Tls => setup,
        };
        if self.is_tls() { setup.behind_tls() } else { setup }
    }

    pub fn is_http_2(self) -> bool {
        matches!(self, Door::Http2 | Door::Http2Tls)
    }

    pub fn is_tls(self) -> bool {
        matches!(self, Door::LeanTls | Door::PingoraTls | Door::Http2Tls)
    }

    /// What a client of this door offers in its TLS handshake.
    fn protocol(self) -> &'static str {
        if self.is_http_2() { "h2" } else { "http/1.1" }
    }
}

/// The door of one running gateway.
#[derive(Clone)]
pub struct Entrance {
    pub door: Door,
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Entrance {
    pub fn new(door: Door, address: SocketAddr, trusted: Option<&Authority>) -> Self {
        let tls = trusted.map(|authority| Arc::new(authority.client(&[door.protocol()])));
        Entrance { door, address, tls }
    }

    /// A caller on a connection of its own.
    pub async fn caller(&self) -> Caller {
        // A handshake is a large future, and most tests hold several of these.
        match self.door.is_http_2() {
            true => Caller::over_http_2(Box::pin(self.h2()).await),
            false => Caller::over_http_1(Box::pin(self.client()).await),
        }
    }

    /// Sends one request over a connection of its own.
    pub async fn ask(&self, request: &Request) -> Answer {
        self.caller().await.ask(request).await
    }

    /// A connection that speaks HTTP/1.1, on the level of bytes.
    pub async fn client(&self) -> Client {
        assert!(!self.door.is_http_2(), "bytes of HTTP/1.1 at a door of HTTP/2");
        match &self.tls {
            None => Client::over(Box::new(connect(self.address).await)),
            Some(config) => Client::over(Box::new(connect_tls(self.address, config.clone()).await)),
        }
    }

    /// A connection that speaks HTTP/2.
    pub async fn h2(&self) -> H2 {
        match &self.tls {
            None => H2::over(connect(self.address).await).await,
            Some(config) => H2::over(connect_tls(self.address, config.clone()).await).await,
        }
    }
}

/// Runs each of these tests through HTTP/1.1 by the lean codec, HTTP/1.1 by Pingora, and HTTP/2.
macro_rules! through_every_door {
    ($($test:ident),+ $(,)?) => {
        $crate::support::door::through! { [lean: Lean, pingora: Pingora, http_2: Http2] $($test)+ }
    };
}

/// The same, and all of it over TLS once more.
macro_rules! through_every_door_and_tls {
    ($($test:ident),+ $(,)?) => {
        $crate::support::door::through! {
            [
                lean: Lean, pingora: Pingora, http_2: Http2,
                lean_tls: LeanTls, pingora_tls: PingoraTls, http_2_tls: Http2Tls,
            ]
            $($test)+
        }
    };
}

/// Runs each of these tests, which are about bytes or connections of HTTP/1.1, through its two doors.
macro_rules! through_both_http_1_doors {
    ($($test:ident),+ $(,)?) => {
        $crate::support::door::through! { [lean: Lean, pingora: Pingora] $($test)+ }
    };
}

/// The same, and over TLS once more.
macro_rules! through_both_http_1_doors_and_tls {
    ($($test:ident),+ $(,)?) => {
        $crate::support::door::through! {
            [lean: Lean, pingora: Pingora, lean_tls: LeanTls, pingora_tls: PingoraTls] $($test)+
        }
    };
}

/// A module for each test, and in it a test for each door. The future is boxed: it may be large.
macro_rules! through {
    ($doors:tt $($test:ident)+) => { $( $crate::support::door::through! { @ $test $doors } )+ };
    (@ $test:ident [$($name:ident: $door:ident),+ $(,)?]) => {
        mod $test {
            $(
                #[tokio::test]
                async fn $name() {
                    Box::pin(super::$test($crate::support::door::Door::$door)).await;
                }
            )+
        }
    };
}

pub(crate) use {
    through, through_both_http_1_doors, through_both_http_1_doors_and_tls, through_every_door,
    through_every_door_and_tls,
};
