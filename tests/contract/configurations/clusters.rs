//! Stores in a real etcd, each below a root of its own.

use std::cell::Cell;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aisix::store::Store;
use aisix::store::etcd::{EtcdStore, Settings};
use tempfile::TempDir;

use super::Sort;

/// An etcd of one member; ended when dropped.
pub struct Clusters {
    child: Child,
    endpoint: String,
    made: Cell<usize>,
    _folder: TempDir,
}

impl Clusters {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (clients, peers) = (free(), free());
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(folder.path()).args(["--name", "contract"]);
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.arg("--initial-cluster").arg(format!("contract={peers}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("etcd; on Debian: apt-get install etcd-server");
        let clusters = Clusters { child, endpoint: clients, made: Cell::new(0), _folder: folder };
        clusters.until_it_listens();
        clusters
    }

    fn until_it_listens(&self) {
        let address = self.endpoint.trim_start_matches("http://");
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "etcd does not listen");
            std::thread::yield_now();
        }
    }

    fn open(&self) -> Box<dyn Store> {
        let root = format!("/contract/{}", self.made.get());
        Box::new(EtcdStore::new(Settings::new(vec![self.endpoint.clone()], &root, "")))
    }
}

impl Sort for Clusters {
    fn empty(&self) -> Box<dyn Store> {
        self.made.set(self.made.get() + 1);
        self.open()
    }

    fn again(&self) -> Box<dyn Store> {
        self.open()
    }
}

impl Drop for Clusters {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}
