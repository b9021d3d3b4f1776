//! The fair baseline: Pingora's `ProxyHttp` with one upstream, doing the least that a gateway must. It swaps
//! the caller's credential for the provider's and forwards; it reads no body and keeps no record.

use std::net::SocketAddr;

use async_trait::async_trait;
use clap::Parser;
use pingora_core::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::{HttpPeer, PeerOptions, Scheme};
use pingora_error::Result;
use pingora_http::RequestHeader;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A bare Pingora proxy, the baseline of the load tests
#[derive(Debug, Parser)]
struct Settings {
    /// Address to listen on
    #[arg(long, value_name = "ADDR")]
    addr: SocketAddr,

    /// Where every request goes
    #[arg(long, value_name = "ADDR")]
    upstream: SocketAddr,
}

fn main() {
    let Settings { addr, upstream } = Settings::parse();
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: IDLE_CONNECTIONS,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(&addr.to_string());
    server.add_service(service);
    server.run_forever();
}

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer {
            _address: PingoraAddr::Inet(self.upstream),
            scheme: Scheme::HTTP,
            sni: String::new(),
            proxy: None,
            client_cert_key: None,
            group_key: 0,
            options: PeerOptions::new(),
        }))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        request.insert_header("authorization", "Bearer sk-upstream")
    }
}

/// As many idle upstream connections as the gateway keeps.
const IDLE_CONNECTIONS: usize = 1024;
