//! The Admin API of a running gateway, asked from the command line.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::{Value, json};

use super::address::environment;
use super::target::There;
use super::tell;
use crate::http1::ResponseHead;
use crate::resources::configuration::Notice;
use crate::resources::{Configuration, KINDS};

/// Asks with the key in `AISIX_ADMIN_KEY`. Nothing prints it.
pub struct Client {
    /// Host and port.
    authority: String,
    key: String,
}

/// An answer with a status of 2xx.
pub struct Answer {
    pub body: Value,
    /// The page after this one.
    next: Option<String>,
}

impl Client {
    /// # Errors
    /// The address cannot be used, or there is no key.
    pub fn new(address: &str) -> Result<Self, String> {
        let Some(authority) = address.strip_prefix("http://") else {
            return Err(format!(
                "{address}: this command does not speak TLS; go to the machine of the gateway and use http:// there"
            ));
        };
        if authority.contains(['/', '@', '?']) {
            return Err("the address of an Admin API is http://HOST:PORT and nothing more".to_owned());
        }
        let key = environment(KEY).filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| format!("http://{authority}: needs an admin key; put one into {KEY}"))?;
        if key.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(format!("{KEY} holds what no header can carry"));
        }
        let port = if authority.rsplit(']').next().is_some_and(|end| end.contains(':')) { "" } else { ":80" };
        Ok(Client { authority: format!("{authority}{port}"), key })
    }

    /// All that the gateway serves, secrets masked.
    ///
    /// # Errors
    /// It cannot be asked, or refuses.
    pub fn configuration(&self) -> Result<(Configuration, Vec<Notice>), String> {
        let there = self.rows()?;
        Ok((there.configuration, there.left_out))
    }

    /// The same with the revision of each row, by collection and id.
    ///
    /// # Errors
    /// As [`Client::configuration`].
    pub fn rows(&self) -> Result<There, String> {
        let mut rows = Vec::new();
        let mut revisions = HashMap::new();
        for kind in &KINDS {
            let mut token = String::new();
            loop {
                let page = self.ask("GET", &format!("{}?page_size={PAGE}{token}", kind.collection), None)?;
                for entry in page.body.as_array().into_iter().flatten() {
                    let id = entry.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                    let revision = entry.get("revision").and_then(Value::as_u64).unwrap_or_default();
                    revisions.insert((kind.collection.to_owned(), id.clone()), revision);
                    rows.push((
                        kind.collection.to_owned(),
                        id,
                        entry.get("value").cloned().unwrap_or_default(),
                    ));
                }
                match page.next {
                    Some(next) => token = format!("&page_token={}", encoded(&next)),
                    None => break,
                }
            }
        }
        let (configuration, left_out) = Configuration::stored(rows);
        Ok(There { configuration, left_out, revisions })
    }

    /// One request below `/admin/v1/`.
    ///
    /// # Errors
    /// It cannot be asked, or what it answers in place of doing as it was told.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} /admin/v1/{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.authority,
            self.key,
            body.len()
        );
        let failed = |error: &std::io::Error| {
            format!(
                "http://{}: {error}. Is a gateway running, and is this its admin listener?",
                self.authority
            )
        };
        let (status, next, answer) =
            self.exchange(head.as_bytes(), body.as_bytes()).map_err(|error| failed(&error))?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(Answer { body: answer, next });
        }
        let said = answer.get("error_msg").and_then(Value::as_str);
        let said = said.unwrap_or("the answer is not that of an Admin API");
        let hint = if status == 401 { format!(" ({KEY} is no key of this gateway)") } else { String::new() };
        Err(format!("http://{}: {status}: {said}{hint}", self.authority))
    }

    fn exchange(&self, head: &[u8], body: &[u8]) -> std::io::Result<(u16, Option<String>, Vec<u8>)> {
        let wrong = |why: &str| std::io::Error::other(why.to_owned());
        let mut connected = Err(wrong("the name leads nowhere"));
        for address in self.authority.to_socket_addrs()? {
            connected = TcpStream::connect_timeout(&address, CONNECT);
            if connected.is_ok() {
                break;
            }
        }
        let mut stream = connected?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // An answer may come before all was sent, and is worth more than the failure to send the rest.
        let sent = stream.write_all(head).and_then(|()| stream.write_all(body));
        let mut bytes = Vec::new();
        let read = stream.take(LARGEST).read_to_end(&mut bytes);
        let mut answer = ResponseHead::default();
        let length = answer.read(&bytes).map_err(|_| wrong("the answer is not HTTP"))?;
        let Some(length) = length else {
            sent?;
            read?;
            return Err(wrong("the connection ended before an answer"));
        };
        let mut data = Vec::new();
        answer.body.read(bytes.get(length..).unwrap_or_default(), &mut data).map_err(wrong)?;
        let next = answer.fields.get("x-next-page-token");
        let next = next.and_then(|next| String::from_utf8(next.to_vec()).ok());
        Ok((answer.status, next, data))
    }

    /// Carries out a write of many rows in one go. Its answer says what would be or was broken.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn import(&self, puts: &[Value], deletes: &[Value], flags: &str) -> Result<Value, String> {
        let body = json!({"puts": puts, "deletes": deletes});
        self.ask("POST", &format!("import?{flags}"), Some(&body)).map(|answer| answer.body)
    }
}

/// Tells what of a place was left out.
pub fn report(notices: &[Notice]) {
    notices.iter().for_each(tell);
}

/// A text as a part of a URL's path or query.
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

const KEY: &str = "AISIX_ADMIN_KEY";
/// Rows asked for at once.
const PAGE: usize = 1000;
const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const LARGEST: u64 = 256 << 20;
