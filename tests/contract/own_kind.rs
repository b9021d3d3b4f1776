//! A kind that this test defines: its struct and one line put it into files, stores, the Admin API and the OpenAPI
//! document, with everything that the others have.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use aisix::config::{self, Config};
use aisix::document::Fault;
use aisix::gateway::{self, Source};
use aisix::resources::reference::{Names, Reference};
use aisix::resources::{KINDS, Kind, Resource, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Something that no gateway has had before.
#[expect(dead_code, reason = "nothing acts on it")]
#[derive(Debug, Deserialize, JsonSchema)]
struct Wonder {
    #[serde(skip)]
    id: String,
    /// What it is called.
    #[schemars(length(min = 1))]
    name: String,
    /// The model behind it.
    model: String,
    /// The account it uses.
    provider_key_id: String,
    /// How large it is.
    #[schemars(range(min = 1, max = 9))]
    size: u8,
    /// Nobody is shown it.
    secret: Option<Secret>,
}

impl Resource for Wonder {
    const COLLECTION: &'static str = "wonders";
    const TITLE: &'static str = "wonder";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn references(&self) -> Vec<Reference> {
        vec![
            Reference::name("model", "models", &self.model),
            Reference::id("provider_key_id", "provider_keys", &self.provider_key_id),
        ]
    }

    fn desugar(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        names.named(row, "provider_key", "provider_key_id", "provider_keys")
    }
}

/// A gateway with the kind, which ends with this.
struct Gateway {
    child: Child,
    admin: String,
}

impl Gateway {
    /// Kinds are settled once in a process, so the gateway has one of its own: this program, at the test below.
    fn start(folder: &std::path::Path) -> Self {
        let any = "127.0.0.1:0";
        let settings = json!({
            "store_file": folder.join("a.db"),
            "proxy": {"addr": any, "workers": 1},
            "admin": {"addr": any, "admin_keys": [ADMIN]},
            "observability": {"metrics": {"prometheus": {"addr": any}}},
        });
        let file = folder.join("aisix.json");
        std::fs::write(&file, settings.to_string()).expect("a file");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "own_kind::gateway_with_a_kind_of_its_own", "--ignored", "--nocapture"]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AISIX_"))
        {
            command.env_remove(name);
        }
        command.env("OWN_KIND_SETTINGS", &file).env("AISIX_READY_LINE", "1");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let ready = lines.map_while(Result::ok).find_map(|line| serde_json::from_str::<Value>(&line).ok());
        let admin = ready.as_ref().and_then(|ready| ready["admin"].as_str()).map(str::to_owned);
        Gateway { child, admin: admin.expect("it names its addresses") }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(&self.admin).expect("a connection");
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or_default())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "it is the gateway of the test below, and runs until it is ended"]
fn gateway_with_a_kind_of_its_own() {
    // This one line.
    KINDS.extend(vec![Kind::of::<Wonder>()]).expect("nobody has asked yet");
    let Some(file) = std::env::var_os("OWN_KIND_SETTINGS") else { return };
    aisix::install_crypto();
    let config = Config::load(file.as_ref(), config::environment()).expect("settings");
    let store = config.store_file.clone().expect("a store");
    gateway::run(config, Source::Store(store.into())).expect("it runs");
}

#[test]
fn a_kind_of_its_own_is_stored_checked_served_and_described() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(folder.path());
    let key = json!({"display_name": "up", "provider": "openai", "api_key": "s"});
    let (_, key) = gateway.ask("POST", "/admin/v1/provider_keys", &key);
    let model = json!({"display_name": "m", "provider": "openai", "model_name": "g", "provider_key": "up"});
    let (_, model) = gateway.ask("POST", "/admin/v1/models", &model);

    let wonder = |changes: Value| {
        let mut row = json!({"name": "w", "model": "m", "provider_key": "up", "size": 3, "secret": "sk-w"});
        for (name, value) in changes.as_object().into_iter().flatten() {
            row[name] = value.clone();
        }
        gateway.ask("POST", "/admin/v1/wonders", &row)
    };
    for (changes, said) in [
        (json!({"sise": 1}), "did you mean \"size\"?"),
        (json!({"size": 10}), "size: must be from 1 to 9"),
        (json!({"model": "n"}), "unknown model \"n\""),
        (json!({"provider_key": "down"}), "is not among provider_keys"),
    ] {
        let (status, answer) = wonder(changes);
        assert!(
            status == 400 && answer["error_msg"].as_str().is_some_and(|told| told.contains(said)),
            "{answer}"
        );
    }
    let (status, made) = wonder(json!({}));
    assert_eq!(status, 200, "{made}");
    assert_eq!(made["value"]["secret"], "********");
    assert_eq!(made["value"]["provider_key_id"], key["id"], "names became ids");
    assert_eq!(wonder(json!({})).0, 409, "its name is taken");
    let place = format!("/admin/v1/models/{}", model["id"].as_str().expect("an id"));
    assert_eq!(gateway.ask("DELETE", &place, &Value::Null).0, 409, "a wonder names it");
    let (_, listed) = gateway.ask("GET", "/admin/v1/wonders", &Value::Null);
    assert_eq!(listed.as_array().map(Vec::len), Some(1));

    let (_, document) = gateway.ask("GET", "/admin/openapi.json", &Value::Null);
    assert!(document["paths"]["/admin/v1/wonders/{id}"]["put"].is_object());
    let size = &document["components"]["schemas"]["Wonder"]["properties"]["size"];
    assert_eq!((&size["description"], &size["maximum"]), (&json!("How large it is."), &json!(9)));
}

const ADMIN: &str = "sk-admin-of-the-tests";
