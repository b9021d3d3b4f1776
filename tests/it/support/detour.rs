//! A way to a server that can be made longer, or broken, while it is in use.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections; ends with them when dropped.
pub struct Detour {
    pub addr: SocketAddr,
    state: Arc<watch::Sender<State>>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// What each piece waits on its way.
    delay: Duration,
    /// Connections made before this many were are cut.
    cut: u64,
    /// The same for those whose answers do not arrive.
    mute: u64,
    /// Are new connections closed at once?
    closed: bool,
    /// Connections made.
    made: u64,
}

impl Detour {
    pub async fn to(server: SocketAddr) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = socket.local_addr().expect("an address");
        let state = Arc::new(watch::Sender::new(State::default()));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((caller, _)) = socket.accept().await else { return };
                if shared.borrow().closed {
                    continue;
                }
                shared.send_modify(|state| state.made += 1);
                let state = shared.subscribe();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        carry(caller, server, state).await;
                    }
                });
            }
        });
        Detour { addr, state, accepting }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Makes every piece wait, in both directions.
    pub fn slow_down(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// From now on nothing comes back over the connections there are. New ones are as good as ever.
    pub fn mute(&self) {
        self.state.send_modify(|state| state.mute = state.made);
    }

    /// Cuts all connections and takes no new ones.
    pub fn close(&self) {
        self.state.send_modify(|state| (state.cut, state.closed) = (state.made, true));
    }

    pub fn open(&self) {
        self.state.send_modify(|state| state.closed = false);
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.send_modify(|state| state.cut = state.made);
    }
}

async fn carry(caller: TcpStream, server: TcpStream, mut state: watch::Receiver<State>) {
    let number = state.borrow().made;
    let ways = (state.clone(), state.clone());
    let (mut from_caller, mut to_caller) = caller.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_caller.read(&mut piece).await {
            let delay = ways.0.borrow().delay;
            tokio::time::sleep(delay).await;
            if to_server.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut piece).await {
            let delay = ways.1.borrow().delay;
            tokio::time::sleep(delay).await;
            if number <= ways.1.borrow().mute {
                continue;
            }
            if to_caller.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = state.wait_for(|state| number <= state.cut) => {}
    }
}
