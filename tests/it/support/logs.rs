//! The gateway's stderr and stdout as they come, and the access log read out of it.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

use super::within;

/// The lines of one output of a process.
#[derive(Clone)]
pub struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Lines {
    /// Collects lines until the output ends.
    pub fn of(output: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let sink = lines.clone();
        tokio::spawn(async move {
            let mut source = BufReader::new(output).lines();
            while let Ok(Some(line)) = source.next_line().await {
                let mut lines = sink.lock().expect("the lines");
                lines.push(line);
                sender.send_replace(lines.len());
            }
        });
        Lines { lines, count }
    }

    pub fn all(&self) -> Vec<String> {
        self.lines.lock().expect("the lines").clone()
    }

    /// Waits for a line for which `read` has an answer; `None` when the output ends without one.
    pub async fn first<T>(&self, what: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut count = self.count.clone();
        let mut from = 0;
        within(what, async {
            loop {
                let lines = self.all();
                if let Some(found) = lines[from..].iter().find_map(|line| read(line)) {
                    return Some(found);
                }
                from = lines.len();
                let more = count.wait_for(|count| *count > from).await.is_ok();
                if !more && self.all().len() == from {
                    return None;
                }
            }
        })
        .await
    }

    /// Waits for a line with this text.
    pub async fn containing(&self, text: &str) -> String {
        let found = self.first(text, |line| line.contains(text).then(|| line.to_owned())).await;
        found.unwrap_or_else(|| panic!("no line with {text:?}"))
    }

    /// Waits for the access log line of the request with this id.
    pub async fn access(&self, request_id: &str) -> Record {
        let read = |line: &str| Record::access(line).filter(|r| r.text("request_id") == request_id);
        self.first("the access log line", read).await.expect("an access log line")
    }

    /// The access log lines so far, all of them.
    pub fn access_so_far(&self) -> Vec<Record> {
        self.all().iter().filter_map(|line| Record::access(line)).collect()
    }
}

/// One JSON line of the log, whether its fields lie at the top or under `fields`.
#[derive(Clone, Debug)]
pub struct Record(pub Value);

impl Record {
    fn access(line: &str) -> Option<Self> {
        let record = Record(serde_json::from_str(line).ok()?);
        (record.text("message") == "proxy request completed").then_some(record)
    }

    pub fn field(&self, name: &str) -> &Value {
        match &self.0[name] {
            Value::Null => &self.0["fields"][name],
            value => value,
        }
    }

    pub fn text(&self, name: &str) -> &str {
        self.field(name).as_str().unwrap_or_default()
    }

    /// A numeric field, `None` when absent.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name).as_u64()
    }

    pub fn status(&self) -> u64 {
        self.number("status").expect("a status in the access log")
    }
}
