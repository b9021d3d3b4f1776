//! TLS, users, and members that do not answer.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::support::certs::Authority;
use crate::support::detour::Detour;
use crate::support::etcd::free;
use crate::support::gateway::{command, run, write_files};

/// The certificates of an etcd and its clients, as files.
fn certificates(folder: &Path) -> Authority {
    let authority = Authority::new("etcd");
    std::fs::write(folder.join("ca.pem"), authority.pem()).expect("a file");
    for name in ["server", "client"] {
        let identity = authority.issue(name);
        std::fs::write(folder.join(format!("{name}.pem")), identity.certificate).expect("a file");
        std::fs::write(folder.join(format!("{name}.key")), identity.key).expect("a file");
    }
    authority
}

/// An etcd that lets in only clients it has certified, with the user `gateway`, whose tokens are good for a second.
async fn guarded(folder: &Path) -> Etcd {
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let options = [
        format!("--cert-file={}", file("server.pem")),
        format!("--key-file={}", file("server.key")),
        format!("--trusted-ca-file={}", file("ca.pem")),
        "--client-cert-auth".to_owned(),
        "--auth-token-ttl=1".to_owned(),
    ];
    let credentials = [
        format!("--cacert={}", file("ca.pem")),
        format!("--cert={}", file("client.pem")),
        format!("--key={}", file("client.key")),
    ];
    Etcd::start_with("https", options.to_vec(), credentials.to_vec()).await
}

async fn add_user(etcd: &Etcd) {
    for arguments in [
        &["user", "add", "root:of-the-tests"][..],
        &["user", "grant-role", "root", "root"],
        &["user", "add", &format!("gateway:{PASSWORD}")],
        &["role", "add", "rows"],
        &["role", "grant-permission", "rows", "--prefix=true", "readwrite", "/aisix/"],
        &["user", "grant-role", "gateway", "rows"],
        &["auth", "enable"],
    ] {
        etcd.ctl(arguments).await;
    }
}

fn secured(fleet_upstream: &Upstream, etcd: &Etcd, folder: &Path, password: &str) -> Setup {
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut setup = Setup::new(fleet_upstream)
        .in_etcd(&[etcd.endpoint()])
        .config("etcd.user", "gateway")
        .config("etcd.password_env", "IT_ETCD_PASSWORD")
        .config(
            "etcd.tls",
            json!({"ca_cert_file": file("ca.pem"), "client_cert_file": file("client.pem"),
                "client_key_file": file("client.key"), "domain_name": "localhost"}),
        );
    setup.env.push(("IT_ETCD_PASSWORD".to_owned(), password.to_owned()));
    setup
}

const PASSWORD: &str = "pa5s-of-the-gateway";

#[tokio::test]
async fn a_gateway_with_a_certificate_and_a_password_gets_in_and_stays_in() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let etcd = guarded(folder.path()).await;
    add_user(&etcd).await;
    let gateway = secured(&upstream, &etcd, folder.path(), PASSWORD).start().await;
    let fleet = Fleet { etcd, upstream, gateways: vec![gateway] };
    fleet.furnish().await;
    // Long enough for the token to expire: there is nothing to wait for but time.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let (_, key) = new_key(fleet.gateway(), "later").await;
    assert_eq!(chat(fleet.gateway(), &key).await.status, 200);
    assert!(!fleet.gateway().log.all().join("\n").contains(PASSWORD));
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why_and_the_password_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let etcd = guarded(folder.path()).await;
    add_user(&etcd).await;
    let wrong = secured(&upstream, &etcd, folder.path(), "not-the-pa5sword");
    let said = refusal(wrong).await;
    assert!(said.contains(&etcd.endpoint()) && said.contains("invalid user ID or password"), "{said}");
    assert!(!said.contains("pa5sword"), "{said}");
    let nobody = secured(&upstream, &etcd, folder.path(), "");
    let said = refusal(nobody).await;
    assert!(said.contains("etcd.password_env: the variable IT_ETCD_PASSWORD is not set"), "{said}");

    let stranger = Authority::new("stranger");
    std::fs::write(folder.path().join("ca.pem"), stranger.pem()).expect("a file");
    let said = refusal(secured(&upstream, &etcd, folder.path(), PASSWORD)).await;
    assert!(said.contains(&etcd.endpoint()) && said.contains("UnknownIssuer"), "{said}");
}

#[tokio::test]
async fn a_start_without_etcd_is_tried_five_times_and_names_every_member() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let (one, other) = (format!("http://{}", free()), format!("http://{}", free()));
    let said = refusal(Setup::new(&upstream).in_etcd(&[one.clone(), other.clone()])).await;
    assert!(said.contains(&one) && said.contains(&other) && said.contains("refused"), "{said}");
    assert!(said.contains("tried 5 times"), "{said}");
}

#[tokio::test]
async fn a_member_that_does_not_answer_is_left_for_one_that_does() {
    let mut fleet = Fleet::empty(0).await;
    let (one, other) = (Detour::to(fleet.etcd.addr).await, Detour::to(fleet.etcd.addr).await);
    let dead = format!("http://{}", free());
    let gateway = fleet.setup(&[dead, one.endpoint(), other.endpoint()]).start().await;
    fleet.gateways.push(gateway);
    fleet.furnish().await;
    for in_use in [&one, &other, &one] {
        in_use.close();
        // A write that meets the dead connection is carried out over the other one.
        let (id, key) = new_key(fleet.gateway(), "k2").await;
        assert_eq!(chat(fleet.gateway(), &key).await.status, 200);
        fleet.etcd.ctl(&["del", &format!("/aisix/api_keys/{id}")]).await;
        until_chat_is(fleet.gateway(), &key, 401).await;
        in_use.open();
    }
}

/// What a start that fails says.
async fn refusal(setup: Setup) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    write_files(folder.path(), &setup);
    let mut command = command(folder.path());
    command.arg("--config").arg(folder.path().join("aisix.json")).envs(setup.env);
    let (status, _, said) = run(command).await;
    assert!(!status.success());
    said
}
