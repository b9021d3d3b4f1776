//! Several gateways on one etcd.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

/// How long a change may take to reach the other gateways.
const BOUND: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_key_made_through_one_gateway_is_honoured_by_the_other_and_so_is_its_end() {
    let fleet = Fleet::serving(2).await;
    let [one, other] = &fleet.gateways[..] else { panic!("two gateways") };
    let mut times = Vec::new();
    for number in 0..20 {
        let (id, key) = new_key(one, &format!("k{number}")).await;
        let since = Instant::now();
        until_chat_is(other, &key, 200).await;
        times.push(since.elapsed());
        assert_eq!(one.operate("DELETE", &format!("/admin/v1/api_keys/{id}"), None).await.status, 200);
        let since = Instant::now();
        until_chat_is(other, &key, 401).await;
        times.push(since.elapsed());
    }
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!("from one gateway to the other: median {median:?}, longest {worst:?}");
    assert!(median < BOUND, "median {median:?}, longest {worst:?}");
}

#[tokio::test]
async fn of_two_who_take_one_name_at_once_exactly_one_gets_it() {
    let fleet = Fleet::serving(2).await;
    let [one, other] = &fleet.gateways[..] else { panic!("two gateways") };
    for number in 0..20 {
        let body = json!({"display_name": format!("n{number}"), "provider": "openai", "model_name": "m",
            "provider_key": "up"});
        let (first, second) = tokio::join!(
            one.operate("POST", "/admin/v1/models", Some(&body)),
            other.operate("POST", "/admin/v1/models", Some(&body)),
        );
        let mut statuses = [first.status, second.status];
        statuses.sort();
        assert_eq!(statuses, [200, 409], "{} {}", first.text(), second.text());
    }
}

#[tokio::test]
async fn a_reference_cannot_be_broken_by_two_gateways_together() {
    let fleet = Fleet::empty(2).await;
    let [one, other] = &fleet.gateways[..] else { panic!("two gateways") };
    for number in 0..20 {
        let name = format!("p{number}");
        let mut row = fleet.provider_key();
        row["display_name"] = json!(name);
        let id = create(one, "provider_keys", row).await["id"].as_str().expect("an id").to_owned();
        let model =
            json!({"display_name": name, "provider": "openai", "model_name": "m", "provider_key_id": id});
        // The other one has to know of the row before it can refer to it.
        let place = format!("/admin/v1/provider_keys/{id}");
        crate::support::eventually("the row", || async {
            (other.operate("GET", &place, None).await.status == 200).then_some(())
        })
        .await;
        let (gone, made) = tokio::join!(
            one.operate("DELETE", &place, None),
            other.operate("POST", "/admin/v1/models", Some(&model)),
        );
        assert!((gone.status == 200) != (made.status == 200), "{} {}", gone.text(), made.text());
    }
}

#[tokio::test]
async fn writers_at_both_gateways_all_get_through_and_both_end_with_the_same_rows() {
    let fleet = Fleet::empty(2).await;
    let write = |gateway: &'static str, index: usize| {
        let gateway_of = &fleet.gateways[index];
        async move {
            for number in 0..30 {
                new_key(gateway_of, &format!("{gateway}{number}")).await;
            }
        }
    };
    tokio::join!(write("a", 0), write("b", 1));
    for gateway in &fleet.gateways {
        crate::support::eventually("all rows", || async {
            let listed = gateway.operate("GET", "/admin/v1/api_keys?page_size=1000", None).await.json();
            (listed.as_array().map(Vec::len) == Some(60)).then_some(())
        })
        .await;
    }
    let audit = fleet.gateways[1].operate("GET", "/admin/v1/audit?limit=1000", None).await.json();
    assert_eq!(audit.as_array().map(Vec::len), Some(60));
}
