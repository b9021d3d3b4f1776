//! What guardrails of each kind must and must not have.

use serde_json::{Value, json};

use super::*;
use crate::resources::rules::trial;

fn table(base: &Value, cases: &[(Value, &[&str])]) {
    trial::table::<Guardrail>(base, cases);
}

#[test]
fn every_kind_has_the_common_members() {
    let base = json!({"name": "g", "kind": "keyword", "patterns": []});
    table(
        &base,
        &[
            (
                json!({"hook_point": "input", "enforcement_mode": "monitor", "created_at": "2027-01-31T00:00:00Z"}),
                &[],
            ),
            (
                json!({"name": "", "hook_point": "pre", "created_at": "soon"}),
                &[
                    "created_at: must be an RFC 3339 time such as 2027-01-31T00:00:00Z",
                    "hook_point: must be one of \"input\", \"output\", \"both\"",
                    "name: must not be empty",
                ],
            ),
            (json!({"output_fail_open": true}), &["output_fail_open: unknown key"]),
            (
                json!({"kind": "keywords"}),
                &["kind: must be one of \"keyword\", \"pii\", \"bedrock\", \"azure_content_safety\", \
                 \"azure_content_safety_text_moderation\", \"aliyun_text_moderation\", \"aliyun_ai_guardrail\", \
                 \"lakera\", \"openai_moderation\", \"presidio\", \"semantic\", did you mean \"keyword\"?"],
            ),
        ],
    );
    let remote =
        json!({"name": "l", "kind": "lakera", "api_key": "k", "output_fail_open": true, "fail_open": false});
    for (row, fails_open) in [(base, [true, false]), (remote, [false, true])] {
        let guardrail: Guardrail = crate::document::decode(&row).value.expect("it is sound");
        let common = guardrail.common();
        assert_eq!([common.fail_open, common.output_fail_open], fails_open, "{row}");
        assert_eq!(common.hook_point, HookPoint::Both);
        assert!(common.enabled && !common.mandatory);
    }
}

#[test]
fn local_kinds_look_for_what_can_be_searched_for() {
    let not_an_expression = "is not a regular expression (look-around and back-references are not supported)";
    table(
        &json!({"name": "g", "kind": "keyword", "patterns": [{"kind": "literal", "value": "("}]}),
        &[
            (json!({}), &[]),
            (json!({"patterns": null}), &["patterns: is required"]),
            (
                json!({"patterns": [{"kind": "literal", "value": ""}, {"kind": "regex", "value": "(?=a)"}]}),
                &["patterns[0].value: must not be empty", &format!("patterns[1].value: {not_an_expression}")],
            ),
            (
                json!({"patterns": [{"kind": "regex", "value": "(?i)\\w{1000}{1000}"}]}),
                &["patterns[0].value: is too large a regular expression"],
            ),
        ],
    );
    let custom = |regex: &str| json!({"custom_patterns": [{"name": "n", "regex": regex}]});
    table(
        &json!({"name": "g", "kind": "pii"}),
        &[
            (json!({"detectors": [{"type": "us_ssn", "action": "block"}]}), &[]),
            (custom("EMP-[0-9]{6}"), &[]),
            (custom("["), &[&format!("custom_patterns[0].regex: {not_an_expression}")]),
            (
                json!({"max_buffer_bytes": 0, "default_action": "drop"}),
                &[
                    "default_action: must be one of \"mask\", \"block\"",
                    "max_buffer_bytes: must be at least 1",
                ],
            ),
        ],
    );
    let category = |changes: Value| {
        let mut category = json!({"name": "c", "candidate_patterns": ["a"], "threshold": -1});
        for (name, value) in changes.as_object().into_iter().flatten() {
            category[name] = value.clone();
        }
        json!({"categories": [category]})
    };
    table(
        &json!({"name": "g", "kind": "semantic"}),
        &[
            (category(json!({"hotword_groups": [{"terms": ["a"]}]})), &[]),
            (json!({"categories": []}), &["categories: needs at least one entry"]),
            (
                category(
                    json!({"hotword_groups": [{"terms": []}], "threshold": 1.5, "replacement": "x".repeat(257)}),
                ),
                &[
                    "categories[0].hotword_groups[0].terms: needs at least one entry",
                    "categories[0].replacement: must not be longer than 256 characters",
                    "categories[0].threshold: must be from -1 to 1",
                ],
            ),
        ],
    );
}

#[test]
fn remote_kinds_have_an_address_and_a_credential() {
    let web = "must be an http:// or https:// address";
    table(
        &json!({"name": "g", "kind": "bedrock", "region": "eu-central-1", "guardrail_id": "i", "guardrail_version": "1",
            "aws_credentials": {"kind": "static", "access_key_id": "a", "secret_access_key": "s"},
            "latency_mode": {"kind": "serial"}}),
        &[
            (json!({"latency_mode": {"kind": "timed", "timeout_ms": 100}}), &[]),
            (
                json!({"aws_credentials": {"kind": "static", "access_key_id": "a"}}),
                &["aws_credentials.secret_access_key: is required"],
            ),
            (
                json!({"latency_mode": {"kind": "timed", "timeout_ms": 5001}, "region": "x.evil.example/"}),
                &[
                    "latency_mode.timeout_ms: must be from 100 to 5000",
                    "region: must be a region such as eu-central-1: a-z, 0-9 and hyphens",
                ],
            ),
            (
                json!({"latency_mode": {"kind": "serial", "timeout_ms": 1}}),
                &["latency_mode.timeout_ms: unknown key"],
            ),
        ],
    );
    table(
        &json!({"name": "g", "kind": "openai_moderation", "api_key": "k"}),
        &[
            (json!({"category_thresholds": {"hate/threatening": 0.5}}), &[]),
            (
                json!({"api_key": "", "endpoint": "x", "category_thresholds": {"hate": 1.5}}),
                &[
                    "api_key: must not be empty",
                    "category_thresholds.hate: must be from 0 to 1",
                    &format!("endpoint: {web}"),
                ],
            ),
        ],
    );
    table(
        &json!({"name": "g", "kind": "presidio", "analyzer_url": "http://a:1", "anonymizer_url": "http://b:1"}),
        &[
            (json!({"entities": [{"type": "CREDIT_CARD", "action": "block"}], "operator": "hash"}), &[]),
            (
                json!({"analyzer_url": "a:1", "anonymizer_url": ""}),
                &[&format!("analyzer_url: {web}"), "anonymizer_url: must not be empty"],
            ),
        ],
    );
}

#[test]
fn windows_move_on_and_stay_within_what_the_service_takes() {
    table(
        &json!({"name": "g", "kind": "azure_content_safety_text_moderation", "endpoint": "https://e", "api_key": "k"}),
        &[
            (json!({"severity_threshold_by_category": {"SelfHarm": 7}, "categories": ["Hate"]}), &[]),
            (
                json!({"severity_threshold_by_category": {"Violence": 8}, "severity_threshold": 8}),
                &[
                    "severity_threshold: must be from 0 to 7",
                    "severity_threshold_by_category.Violence: must be from 0 to 7",
                ],
            ),
            (json!({"window_size": 256}), &["window_overlap_size: must be smaller than window_size"]),
        ],
    );
    let aliyun = json!({"name": "g", "kind": "aliyun_text_moderation", "region": "cn-shanghai", "access_key_id": "a",
        "access_key_secret": "s"});
    table(
        &aliyun,
        &[
            (json!({"endpoint": "green-cip.cn-shanghai.aliyuncs.com"}), &[]),
            (json!({"kind": "aliyun_ai_guardrail", "service_level": "basic", "endpoint": "https://h"}), &[]),
            (json!({"service_level": "pro"}), &["service_level: unknown key"]),
            (
                json!({"window_size": 2001, "endpoint": "a b"}),
                &[
                    "endpoint: must be a host, or an http:// or https:// address",
                    "window_size: must be from 1 to 2000",
                ],
            ),
        ],
    );
}
