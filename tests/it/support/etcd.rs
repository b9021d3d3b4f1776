//! A real etcd of one member: started on ports of its own, paused, killed, emptied, and asked with its own tool.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{eventually, within};

/// A running etcd; killed when dropped.
pub struct Etcd {
    /// Where clients reach it.
    pub addr: SocketAddr,
    scheme: &'static str,
    options: Vec<String>,
    /// How the tool reaches it, where that takes more than an address.
    credentials: Vec<String>,
    folder: TempDir,
    /// Counts the data folders it had.
    generation: u32,
    child: Child,
}

impl Etcd {
    pub async fn start() -> Self {
        Etcd::start_with("http", Vec::new(), Vec::new()).await
    }

    /// With options of the server and of the tool, in place of which `{folder}` is nothing.
    pub async fn start_with(scheme: &'static str, options: Vec<String>, credentials: Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let addr = free();
        let child = spawn(&folder, addr, scheme, 0, &options);
        let mut etcd = Etcd { addr, scheme, options, credentials, folder, generation: 0, child };
        etcd.until_ready().await;
        etcd
    }

    /// Its address as the gateway's configuration names it.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// Waits until it answers.
    async fn until_ready(&mut self) {
        let (mut started, pid) = (false, self.child.id());
        while !started {
            assert!(self.child.try_wait().expect("a state").is_none(), "etcd {pid:?} ended at its start");
            let asked = self.tool(&["get", "nothing"]).output();
            started = within("etcdctl", asked).await.expect(MISSING).status.success();
        }
    }

    fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--dial-timeout=1s", "--command-timeout=2s"]);
        command.args(["--endpoints", &self.endpoint()]).args(&self.credentials).args(arguments);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs etcdctl; what it printed.
    pub async fn ctl(&self, arguments: &[&str]) -> String {
        let output = within("etcdctl", self.tool(arguments).output()).await.expect(MISSING);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "etcdctl {arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// Puts a key, as a person would.
    pub async fn put(&self, key: &str, value: &str) {
        self.ctl(&["put", key, "--", value]).await;
    }

    /// The value of a key; empty if there is none.
    pub async fn get(&self, key: &str) -> String {
        self.ctl(&["get", "--print-value-only", key]).await
    }

    /// The revision it is at.
    pub async fn revision(&self) -> u64 {
        let answer = self.ctl(&["get", "nothing", "-w", "json"]).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        answer["header"]["revision"].as_u64().expect("a revision")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("a running etcd");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("etcd is signalled");
    }

    /// Ends it at once.
    pub async fn kill(&mut self) {
        self.child.start_kill().expect("etcd is killed");
        within("etcd to end", self.child.wait()).await.expect("a status");
    }

    /// Starts it again over the same data.
    pub async fn restart(&mut self) {
        self.child = spawn(&self.folder, self.addr, self.scheme, self.generation, &self.options);
        self.until_ready().await;
    }

    /// Starts it again with nothing in it, as after a lost disk.
    pub async fn restart_empty(&mut self) {
        self.generation += 1;
        self.restart().await;
    }

    /// All pairs of keys and values, to be put back.
    pub async fn copy(&self) -> Vec<(String, String)> {
        let lines = self.ctl(&["get", "--prefix", "/"]).await;
        let lines: Vec<&str> = lines.lines().collect();
        lines.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
    }
}

fn spawn(folder: &TempDir, addr: SocketAddr, scheme: &str, generation: u32, options: &[String]) -> Child {
    let url = format!("{scheme}://{addr}");
    let peers = format!("http://{}", free());
    let mut command = Command::new("etcd");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_")) {
        command.env_remove(name);
    }
    command.arg("--data-dir").arg(folder.path().join(format!("data-{generation}")));
    // The identity of a cluster follows from its peers' addresses: a fixed one, so that an empty successor has the same.
    command.args([
        "--name",
        "it",
        "--initial-advertise-peer-urls",
        PEER,
        "--initial-cluster",
        &format!("it={PEER}"),
    ]);
    command.args([
        "--listen-peer-urls",
        &peers,
        "--listen-client-urls",
        &url,
        "--advertise-client-urls",
        &url,
    ]);
    command.args(["--logger", "zap", "--log-level", "error"]).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().expect(MISSING)
}

/// An address nobody listens on.
pub fn free() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address")
}

/// Waits until a line of the log says this, of all lines from one on.
pub async fn until_said(log: &super::logs::Lines, from: usize, text: &str) {
    eventually(text, || async { log.all().iter().skip(from).any(|line| line.contains(text)).then_some(()) })
        .await;
}

const PEER: &str = "http://127.0.0.1:2380";
const MISSING: &str =
    "etcd and etcdctl (on Debian: apt-get install etcd-server etcd-client; `make test` does)";
