//! Credentials: where they are read, when they expire, what they open.

use serde_json::json;

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

through_every_door! {
    a_credential_is_read_from_the_bearer_first_and_never_from_two_places,
    a_missing_and_an_unknown_credential_are_told_apart,
    disabled_and_expired_keys_say_so_on_every_route,
    a_key_stops_working_when_its_time_comes,
    an_allow_list_matches_by_one_star_against_the_name_the_caller_sent,
    an_address_outside_the_list_is_refused_without_naming_the_list,
    a_forwarded_address_counts_only_from_a_trusted_peer,
}

async fn setup(door: Door) -> Setup {
    door.setup(&Upstream::doing(replies::json(200, CHAT_ANSWER)).await)
}

async fn a_credential_is_read_from_the_bearer_first_and_never_from_two_places(door: Door) {
    let gateway = setup(door).await.start().await;
    let good = format!("Bearer {CALLER}");
    let padded = format!("Bearer   {CALLER}  ");
    let lower = format!("bearer {CALLER}");
    let cases: &[(Option<&str>, Option<&str>, u16)] = &[
        (None, None, 401),
        (Some(&good), None, 200),
        (Some(&padded), None, 200),
        (Some(&good), Some("sk-wrong"), 200),
        (None, Some(CALLER), 200),
        (None, Some(""), 401),
        (None, Some("sk-wrong"), 401),
        (Some(&lower), None, 401),
        (Some(CALLER), Some(CALLER), 401),
        (Some("Bearer "), Some(CALLER), 401),
        (Some("Basic eA=="), Some(CALLER), 401),
        (Some("Bearer sk-wrong"), Some(CALLER), 401),
    ];
    for (authorization, x_api_key, status) in cases {
        let mut request = Request::get("/v1/models");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        if let Some(value) = x_api_key {
            request = request.header("x-api-key", value);
        }
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.status, *status, "{authorization:?} with {x_api_key:?}: {}", answer.text());
    }
}

async fn a_missing_and_an_unknown_credential_are_told_apart(door: Door) {
    let gateway = setup(door).await.start().await;
    for target in ["/v1/chat/completions", "/v1/messages"] {
        let missing = gateway.ask(&Request::post(target, CHAT)).await;
        let message = missing.error_field("message");
        assert!(message.starts_with("missing or malformed Authorization header"), "{target}: {message}");
        let unknown = gateway.ask(&Request::post(target, CHAT).bearer("sk-wrong")).await;
        let message = unknown.error_field("message");
        assert!(message.starts_with("invalid API key"), "{target}: {message}");
    }
}

async fn disabled_and_expired_keys_say_so_on_every_route(door: Door) {
    let setup = setup(door)
        .await
        .api_key("off", "sk-off", json!({"allowed_models": ["*"], "disabled": true}))
        .api_key("old", "sk-old", json!({"allowed_models": ["*"], "expires_at": "2020-01-01T00:00:00Z"}))
        .api_key(
            "later",
            "sk-later",
            json!({"allowed_models": ["*"], "expires_at": "2999-01-01T00:00:00+02:00"}),
        );
    let gateway = setup.start().await;
    for (key, code) in [("sk-off", "api_key_disabled"), ("sk-old", "api_key_expired")] {
        for request in [Request::get("/v1/models"), Request::post("/v1/chat/completions", CHAT)] {
            let answer = gateway.ask(&request.bearer(key)).await;
            assert_eq!((answer.status, answer.error_type().as_str()), (401, "invalid_api_key"));
            assert_eq!(answer.error_field("code"), code);
        }
        let answer = gateway.ask(&Request::post("/v1/messages", MESSAGE).bearer(key)).await;
        assert_eq!((answer.status, answer.error_type().as_str()), (401, "authentication_error"));
    }
    assert_eq!(gateway.ask(&Request::get("/v1/models").bearer("sk-later")).await.status, 200);
}

async fn a_key_stops_working_when_its_time_comes(door: Door) {
    let soon = whole_second_in(2);
    let setup = setup(door).await.api_key(
        "brief",
        "sk-brief",
        json!({"allowed_models": ["*"], "expires_at": stamp(soon)}),
    );
    let gateway = setup.start().await;
    let request = Request::get("/v1/models").bearer("sk-brief");
    let first = gateway.ask(&request).await;
    assert!(first.status == 200 || std::time::SystemTime::now() >= soon, "{}", first.text());
    let refused = eventually("the expiry", || async {
        let answer = gateway.ask(&request).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!((refused.status, refused.error_field("code").as_str()), (401, "api_key_expired"));
    assert!(std::time::SystemTime::now() >= soon, "refused before its time");
}

/// The first whole second after this many seconds.
fn whole_second_in(seconds: u64) -> std::time::SystemTime {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs() + seconds)
}

/// RFC 3339 in UTC, to the second.
fn stamp(time: std::time::SystemTime) -> String {
    let seconds = time.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(i64::try_from(days).expect("a day"));
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Days since 1970 as a date of the Gregorian calendar (the usual era arithmetic, 400 years of 146097 days).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

async fn an_allow_list_matches_by_one_star_against_the_name_the_caller_sent(door: Door) {
    let setup = setup(door)
        .await
        .model("team/alpha", json!({}))
        .model("team/beta", json!({}))
        .api_key("exact", "sk-exact", json!({"allowed_models": ["team/alpha"]}))
        .api_key("prefix", "sk-prefix", json!({"allowed_models": ["team/*"]}))
        .api_key("middle", "sk-middle", json!({"allowed_models": ["t*a"]}))
        .api_key("twice", "sk-twice", json!({"allowed_models": ["*eam*"]}))
        .api_key("none", "sk-none", json!({"allowed_models": []}));
    let gateway = setup.start().await;
    let cases: &[(&str, &[u16; 3])] = &[
        (CALLER, &[200, 200, 200]),
        ("sk-exact", &[200, 403, 403]),
        ("sk-prefix", &[200, 200, 403]),
        ("sk-middle", &[200, 200, 403]),
        ("sk-twice", &[403, 403, 403]),
        ("sk-none", &[403, 403, 403]),
    ];
    for (key, statuses) in cases {
        for (alias, status) in ["team/alpha", "team/beta", "chat"].iter().zip(statuses.iter()) {
            let body = json!({"model": alias, "messages": [{"role": "user", "content": "x"}]}).to_string();
            let answer = gateway.ask(&Request::post("/v1/chat/completions", body).bearer(key)).await;
            assert_eq!(answer.status, *status, "{key} on {alias}: {}", answer.text());
        }
    }
}

async fn an_address_outside_the_list_is_refused_without_naming_the_list(door: Door) {
    let setup = setup(door)
        .await
        .model("inside", json!({"allowed_cidrs": ["127.0.0.0/8"]}))
        .model("outside", json!({"allowed_cidrs": ["10.1.2.0/24"]}));
    let gateway = setup.start().await;
    for (alias, status) in [("inside", 200), ("outside", 403)] {
        let body = json!({"model": alias, "messages": [{"role": "user", "content": "x"}]}).to_string();
        let answer = gateway.ask(&Request::post("/v1/chat/completions", body).bearer(CALLER)).await;
        assert_eq!(answer.status, status, "{alias}");
        if status == 403 {
            assert_eq!(answer.error_field("code"), "ip_restricted");
            assert!(!answer.text().contains("10.1.2"), "the range is nobody's business");
        }
    }
}

async fn a_forwarded_address_counts_only_from_a_trusted_peer(door: Door) {
    for (trusted, status) in [(json!([]), 403), (json!(["127.0.0.1"]), 200)] {
        let setup = setup(door).await.model("office", json!({"allowed_cidrs": ["10.1.2.0/24"]}));
        let gateway = setup.config("proxy.real_ip.trusted_proxies", trusted).start().await;
        let body = json!({"model": "office", "messages": [{"role": "user", "content": "x"}]}).to_string();
        let request = Request::post("/v1/chat/completions", body).bearer(CALLER);
        let answer = gateway.ask(&request.header("x-forwarded-for", "8.8.8.8, 10.1.2.3")).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}
