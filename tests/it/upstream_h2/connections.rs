//! Requests share connections and do not feel each other; connections that are idle end.

use std::time::Duration;

use h2::Reason;
use serde_json::json;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use super::*;
use crate::support::client::Client;

through_every_door! { a_caller_who_leaves_resets_its_stream_and_leaves_the_others_alone }

#[tokio::test]
async fn requests_at_the_same_time_share_a_connection_and_each_gets_its_own_answer() {
    let (mut upstream, gateway) = both(Door::Lean).await;
    warmed(&mut upstream, &gateway).await;
    let asked: Vec<_> = (0..20)
        .map(|number| {
            asking(
                &gateway,
                Request::post("/v1/chat/completions", CHAT.replace("model\"}]", &format!("<{number}>\"}}]")))
                    .bearer(CALLER),
            )
        })
        .collect();
    let mut held = Vec::new();
    for _ in 0..asked.len() {
        held.push(upstream.next().await);
    }
    assert!(upstream.connections() <= 2, "{} connections", upstream.connections());
    for mut exchange in held {
        let body = String::from_utf8(exchange.body().await).expect("UTF-8");
        let (_, rest) = body.split_once('<').expect("a number");
        let (number, _) = rest.split_once('>').expect("a number");
        exchange.answer(200, &CHAT_ANSWER.replace("fp_1", &format!("<{number}>"))).await;
    }
    for (number, asked) in asked.into_iter().enumerate() {
        let answer = joined(asked).await;
        assert!(answer.text().contains(&format!("<{number}>")), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_stream_that_runs_holds_nobody_up() {
    let (mut upstream, gateway) = both(Door::Lean).await;
    let streamed = asking(&gateway, stream());
    let running = begun(&mut upstream).await;
    for _ in 0..5 {
        assert_eq!(assert_served(&mut upstream, &gateway).await, running.connection);
    }
    finished(running).await;
    assert_eq!(joined(streamed).await.text(), aliased(&CHAT_FRAMES.concat()));
}

/// Sends pieces until the gateway takes no more.
async fn flooded(mut exchange: Exchange, piece: String) -> Exchange {
    let mut sent = 0;
    while let Ok(taken) = tokio::time::timeout(Duration::from_secs(1), exchange.send(&piece)).await {
        assert!(taken, "the stream is reset after {sent} bytes");
        sent += piece.len();
        assert!(sent < 64 << 20, "{sent} bytes are kept for somebody who does not read");
    }
    exchange
}

fn frame(length: usize) -> String {
    let content = "x".repeat(length);
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n")
}

/// A caller whose socket holds little, so that what is not read soon waits in the gateway.
async fn sleeper(gateway: &Gateway) -> Client {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("an option of TCP");
    Client::over(Box::new(socket.connect(gateway.proxy).await.expect("the gateway accepts")))
}

/// So many callers who read nothing of their streams, and others on the same connection.
async fn assert_nobody_held_up(sleepers: usize, piece: &str) {
    let (mut upstream, gateway) = both(Door::Lean).await;
    let (mut readers, mut floods) = (Vec::new(), Vec::new());
    for _ in 0..sleepers {
        let (mut reader, request) = (sleeper(&gateway).await, stream());
        let (_, exchange) = tokio::join!(reader.open(&request), begun(&mut upstream));
        readers.push(reader);
        floods.push(tokio::spawn(flooded(exchange, piece.to_owned())));
    }
    let mut running = Vec::new();
    for flood in floods {
        running.push(flood.await.expect("a stream that waits"));
    }
    let large = CHAT_ANSWER.replacen("fp_1", &"f".repeat(300_000), 1);
    for _ in 0..3 {
        let asked = asking(&gateway, chat());
        let exchange = upstream.next().await;
        assert_eq!(exchange.connection, 0);
        let (answer, ()) = tokio::join!(joined(asked), exchange.answer(200, &large));
        assert!(answer.text() == aliased(&large));
    }
    drop(readers);
    for exchange in running {
        assert_eq!(exchange.gone().await, Some(Reason::CANCEL));
    }
}

#[tokio::test]
async fn callers_who_do_not_read_large_frames_hold_nobody_up_on_their_connection() {
    assert_nobody_held_up(4, &frame(16_000)).await;
}

#[tokio::test]
async fn callers_who_do_not_read_small_frames_hold_nobody_up_on_their_connection() {
    assert_nobody_held_up(10, &frame(1)).await;
}

async fn a_caller_who_leaves_resets_its_stream_and_leaves_the_others_alone(door: Door) {
    let (mut upstream, gateway) = both(door).await;
    let staying = asking(&gateway, stream());
    let kept = begun(&mut upstream).await;

    let mut before_the_head = gateway.caller().await;
    before_the_head.begin(&chat()).await;
    let waiting = upstream.next().await;
    let mut in_the_stream = gateway.caller().await;
    let request = stream().header("x-aisix-request-id", "it-left");
    let (_, left) = tokio::join!(in_the_stream.open(&request), begun(&mut upstream));
    assert_eq!((waiting.connection, left.connection), (0, 0));

    drop(before_the_head);
    assert_eq!(waiting.gone().await, Some(Reason::CANCEL));
    drop(in_the_stream);
    assert_eq!(left.gone().await, Some(Reason::CANCEL));
    assert_eq!(gateway.log.access("it-left").await.status(), 499);

    finished(kept).await;
    assert_eq!(joined(staying).await.text(), aliased(&CHAT_FRAMES.concat()));
    assert_eq!(assert_served(&mut upstream, &gateway).await, 0, "the connection serves on");
}

#[tokio::test]
async fn an_upstream_that_takes_one_stream_at_a_time_is_given_more_connections() {
    let mut upstream = H2Upstream::limited_to(1).await;
    let gateway = setup(Door::Lean, &upstream).await.start().await;
    warmed(&mut upstream, &gateway).await;
    let asked: Vec<_> = (0..6).map(|_| asking(&gateway, chat())).collect();
    let mut held = Vec::new();
    for _ in &asked {
        held.push(upstream.next().await);
    }
    for exchange in held {
        exchange.answer(200, CHAT_ANSWER).await;
    }
    for asked in asked {
        assert_eq!(joined(asked).await.status, 200);
    }
}

#[tokio::test]
async fn a_verified_connection_is_not_lent_to_a_key_that_would_not_trust_it() {
    let mut upstream = H2Upstream::start().await;
    let stranger = json!({"ca_cert": Authority::new("stranger").pem()});
    let base = format!("{}/v1", upstream.base());
    let key = |name: &str, tls| json!({"display_name": name, "provider": "openai", "api_key": OPENAI_SECRET, "api_base": base, "tls": tls});
    let setup = setup(Door::Lean, &upstream).await;
    let setup =
        setup.row("provider_keys", key("mistrusting", stranger)).row("provider_keys", key("bare", json!({})));
    let setup = setup.model("bad", json!({"provider_key": "mistrusting"}));
    let gateway = setup.model("worse", json!({"provider_key": "bare"})).start().await;
    let streamed = asking(&gateway, stream());
    let running = begun(&mut upstream).await;
    for _ in 0..2 {
        assert_eq!(assert_served(&mut upstream, &gateway).await, running.connection);
        for alias in ["bad", "worse"] {
            let body = json!({"model": alias, "messages": [{"role": "user", "content": "x"}]}).to_string();
            let answer = gateway.ask(&Request::post("/v1/chat/completions", body).bearer(CALLER)).await;
            let told = (answer.status, answer.error_type());
            assert_eq!(told, (502, "transport_error".into()), "{alias}: {}", answer.text());
        }
    }
    finished(running).await;
    assert_eq!(joined(streamed).await.status, 200);
    assert!(upstream.is_quiet());
}

/// A gateway that closes idle connections after a second, and a request in the hands of the upstream.
async fn soon_idle() -> (H2Upstream, Gateway, Exchange, JoinHandle<Answer>) {
    let mut upstream = H2Upstream::start().await;
    let gateway =
        setup(Door::Lean, &upstream).await.config("upstream.pool_idle_timeout_secs", 1).start().await;
    warmed(&mut upstream, &gateway).await;
    let asked = asking(&gateway, chat());
    let mut exchange = upstream.next().await;
    exchange.body().await;
    (upstream, gateway, exchange, asked)
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let (upstream, _gateway, exchange, asked) = soon_idle().await;
    exchange.answer(200, CHAT_ANSWER).await;
    assert_eq!(joined(asked).await.status, 200);
    upstream.deserted().await;
}

#[tokio::test]
async fn a_connection_whose_last_caller_left_is_closed_in_time() {
    let (upstream, _gateway, exchange, asked) = soon_idle().await;
    asked.abort();
    exchange.gone().await;
    upstream.deserted().await;
}

#[tokio::test]
async fn a_connection_whose_last_stream_broke_off_is_closed_in_time() {
    let (upstream, _gateway, mut exchange, asked) = soon_idle().await;
    exchange.open(200, &[("content-type", "application/json"), ("content-length", "2")]);
    assert!(exchange.send("{").await);
    exchange.end();
    assert_eq!(joined(asked).await.status, 502);
    upstream.deserted().await;
}

#[tokio::test]
async fn a_connection_that_replaced_another_is_closed_in_time() {
    let (mut upstream, _gateway, exchange, asked) = soon_idle().await;
    exchange.disown(Reason::NO_ERROR);
    upstream.next().await.answer(200, CHAT_ANSWER).await;
    assert_eq!(joined(asked).await.status, 200);
    upstream.deserted().await;
}
