//! Where usage events and spans are sent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address;
use super::kind::Resource;
use super::rules::Rules;
use super::values::sendable;
use crate::document::{Fault, Secret, header};

/// A destination of usage events, told apart by `kind`. Credentials of the kinds with a `credential_ref` stand in
/// environment variables, so that they are not in the row.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "kind:ObservabilityExporter", rename_all = "snake_case")]
#[schemars(tag = "kind", rename = "ObservabilityExporter")]
#[schemars(extend("examples" = [{"name": "collector", "kind": "otlp_http", "endpoint": "http://otel-collector:4318/v1/logs", "content_mode": "metadata_only"}]))]
pub enum ObservabilityExporter {
    OtlpHttp(OtlpHttp),
    AliyunSls(AliyunSls),
    Datadog(Datadog),
    ObjectStore(ObjectStore),
}

/// Writes the struct of a kind with the members that every kind has in front.
macro_rules! exporter {
    ($(#[$meta:meta])* struct $kind:ident { $($(#[$attr:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[schemars(inline)]
        pub struct $kind {
            /// Derived from the row's name or given by the store.
            #[serde(skip)]
            pub id: String,
            /// What operators call it.
            #[schemars(length(min = 1, max = 120))]
            pub name: String,
            /// Sends only while true.
            #[serde(default = "crate::resources::values::on")]
            pub enabled: bool,
            $($(#[$attr])* pub $member: $type,)*
        }

        impl $kind {
            fn common(&self) -> Common<'_> {
                Common { id: &self.id, name: &self.name, enabled: self.enabled }
            }
        }
    };
}

/// What every exporter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Common<'e> {
    pub id: &'e str,
    pub name: &'e str,
    pub enabled: bool,
}

exporter! {
    /// Spans to an OpenTelemetry collector, as OTLP in JSON over HTTP.
    struct OtlpHttp {
        /// The whole URL. https, but for collectors beside the gateway: `localhost`, `127.0.0.1`,
        /// `otel-collector` and `mock-otlp`.
        #[schemars(length(min = 1))]
        endpoint: String,
        /// Headers sent along.
        #[serde(default)]
        headers: BTreeMap<String, Secret>,
        /// Are prompts and answers sent too?
        #[serde(default)]
        content_mode: ContentMode,
        /// Bytes of a prompt and of an answer that are sent.
        #[serde(default = "content_max_bytes")]
        #[schemars(range(min = 1, max = 1_048_576))]
        content_max_bytes: u32,
        /// Share of the requests whose spans are sent, 0 to 1.
        #[serde(default = "every")]
        #[schemars(range(min = 0.0, max = 1.0))]
        sample_rate: f64,
    }
}

exporter! {
    /// Log entries to Alibaba Cloud's Simple Log Service.
    struct AliyunSls {
        /// The service's host in a region, without the project: `cn-hangzhou.log.aliyuncs.com`.
        #[schemars(
            regex(pattern = r"^([A-Za-z0-9-]+\.)+aliyuncs\.com$"),
            extend("x-must" = "must be a host under aliyuncs.com, without scheme and path")
        )]
        endpoint: String,
        /// The project.
        #[schemars(
            regex(pattern = "^[A-Za-z0-9][A-Za-z0-9-]*$"),
            extend("x-must" = "must be letters, digits and hyphens, a letter or digit first")
        )]
        project: String,
        /// The log store in the project.
        #[schemars(
            regex(pattern = "^[A-Za-z0-9_-]+$"),
            extend("x-must" = "must be letters, digits, hyphens and underscores")
        )]
        logstore: String,
        /// Which environment variables hold the credential.
        #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), extend("x-must" = NOT_A_SLUG))]
        credential_ref: String,
        /// Are prompts and answers sent too?
        #[serde(default)]
        content_mode: ContentMode,
        /// Bytes of a prompt and of an answer that are sent.
        #[serde(default = "content_max_bytes")]
        #[schemars(range(min = 1, max = 1_048_576))]
        content_max_bytes: u32,
    }
}

exporter! {
    /// Log entries to Datadog.
    struct Datadog {
        /// The site of the account.
        site: DatadogSite,
        /// The `service` of the entries.
        #[schemars(length(min = 1))]
        service: String,
        /// Which environment variable holds the API key.
        #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), extend("x-must" = NOT_A_SLUG))]
        credential_ref: String,
        /// The `ddsource` of the entries.
        #[serde(default = "ddsource")]
        #[schemars(length(min = 1))]
        ddsource: String,
        /// Tags of the entries, `name:value`.
        #[serde(default)]
        #[schemars(inner(length(min = 1)))]
        tags: Vec<String>,
        /// Are prompts and answers sent too?
        #[serde(default)]
        content_mode: ContentMode,
        /// Bytes of a prompt and of an answer that are sent.
        #[serde(default = "content_max_bytes")]
        #[schemars(range(min = 1, max = 1_048_576))]
        content_max_bytes: u32,
    }
}

exporter! {
    /// Files of usage events, one JSON object a line, in a bucket. Prompts and answers are never in them.
    struct ObjectStore {
        /// Whose store it is.
        provider: StoreProvider,
        /// The bucket, or container.
        #[schemars(length(min = 1))]
        bucket: String,
        /// What the names of all files begin with.
        #[schemars(length(min = 1))]
        prefix: String,
        /// The region of the bucket.
        #[schemars(
            regex(pattern = "^[A-Za-z0-9-]+$"),
            extend("x-must" = "must be letters, digits and hyphens")
        )]
        region: Option<String>,
        /// Root of the store's API, where it is not the vendor's own: an http or https URL.
        #[schemars(length(min = 1))]
        endpoint: Option<String>,
        /// How files are packed.
        #[serde(default)]
        compression: Compression,
        /// Where the credential comes from.
        #[serde(default)]
        auth_mode: StoreAuthMode,
        /// Which environment variables hold the credential. Not needed with `cloud_identity`.
        #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"), extend("x-must" = NOT_A_SLUG))]
        credential_ref: Option<String>,
    }
}

/// What is sent of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContentMode {
    /// Neither prompts nor answers.
    #[default]
    MetadataOnly,
    /// Prompts and answers as well.
    Full,
}

/// The sites of Datadog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum DatadogSite {
    #[serde(rename = "datadoghq.com")]
    Us1,
    #[serde(rename = "us3.datadoghq.com")]
    Us3,
    #[serde(rename = "us5.datadoghq.com")]
    Us5,
    #[serde(rename = "datadoghq.eu")]
    Eu1,
    #[serde(rename = "ap1.datadoghq.com")]
    Ap1,
    #[serde(rename = "ap2.datadoghq.com")]
    Ap2,
    #[serde(rename = "ddog-gov.com")]
    Gov,
}

/// Whose object store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreProvider {
    S3,
    Gcs,
    AzureBlob,
}

/// How files are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    #[default]
    Gzip,
    None,
}

/// Where the credential of an object store comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreAuthMode {
    /// Environment variables.
    #[default]
    CredentialRef,
    /// The machine's own identity. `s3` and `gcs` only.
    CloudIdentity,
}

impl ObservabilityExporter {
    /// What every exporter has.
    pub fn common(&self) -> Common<'_> {
        match self {
            ObservabilityExporter::OtlpHttp(own) => own.common(),
            ObservabilityExporter::AliyunSls(own) => own.common(),
            ObservabilityExporter::Datadog(own) => own.common(),
            ObservabilityExporter::ObjectStore(own) => own.common(),
        }
    }
}

impl Resource for ObservabilityExporter {
    const COLLECTION: &'static str = "observability_exporters";
    const TITLE: &'static str = "observability exporter";

    fn identified(&mut self, id: &str) {
        let place = match self {
            ObservabilityExporter::OtlpHttp(own) => &mut own.id,
            ObservabilityExporter::AliyunSls(own) => &mut own.id,
            ObservabilityExporter::Datadog(own) => &mut own.id,
            ObservabilityExporter::ObjectStore(own) => &mut own.id,
        };
        id.clone_into(place);
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        match self {
            ObservabilityExporter::OtlpHttp(own) => own.check(&mut rules),
            ObservabilityExporter::ObjectStore(own) => own.check(&mut rules),
            ObservabilityExporter::AliyunSls(_) | ObservabilityExporter::Datadog(_) => {}
        }
        rules.faults()
    }
}

impl OtlpHttp {
    fn check(&self, rules: &mut Rules) {
        let guarded = address::web(&self.endpoint).and_then(|()| {
            let near = address::host(&self.endpoint).is_some_and(|host| PLAIN_HOSTS.contains(&host.as_str()));
            let plain = self.endpoint.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"));
            if plain && !near { Err("must be an https:// address") } else { Ok(()) }
        });
        rules.try_at("endpoint", guarded);
        for (name, value) in &self.headers {
            let path = format!("headers.{name}");
            if header::is_name(name) {
                rules.try_at(path, sendable(value.expose()));
            } else {
                rules.check(false, path, "is not a header name");
            }
        }
    }
}

impl ObjectStore {
    fn check(&self, rules: &mut Rules) {
        rules.try_at("endpoint", self.endpoint.as_deref().map_or(Ok(()), address::web));
        match self.auth_mode {
            StoreAuthMode::CloudIdentity => {
                let possible = self.provider != StoreProvider::AzureBlob;
                rules.check(possible, "auth_mode", "cloud_identity serves s3 and gcs only");
            }
            StoreAuthMode::CredentialRef => {
                let present = self.credential_ref.is_some();
                rules.check(present, "credential_ref", "is required unless auth_mode is cloud_identity");
            }
        }
    }
}

fn content_max_bytes() -> u32 {
    131_072
}

fn every() -> f64 {
    1.0
}

fn ddsource() -> String {
    "aisix-ai-gateway".to_owned()
}

/// Collectors beside the gateway, which need no TLS.
const PLAIN_HOSTS: [&str; 4] = ["mock-otlp", "otel-collector", "127.0.0.1", "localhost"];
const NOT_A_SLUG: &str = "must be letters, digits, dots, hyphens and underscores, a letter or digit first; it is the name of a \
     credential, not the credential";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn spans_go_to_an_https_address_or_to_a_collector_beside_the_gateway() {
        trial::table::<ObservabilityExporter>(
            &json!({"name": "o", "kind": "otlp_http", "endpoint": "https://h/v1/traces"}),
            &[
                (json!({"headers": {"authorization": "Basic x"}, "sample_rate": 0}), &[]),
                (json!({"endpoint": "http://otel-collector:4318/v1/traces"}), &[]),
                (json!({"endpoint": "http://h/v1/traces"}), &["endpoint: must be an https:// address"]),
                (
                    json!({"endpoint": "HTTP://localhost.example/"}),
                    &["endpoint: must be an https:// address"],
                ),
                (json!({"endpoint": "h:4318"}), &["endpoint: must be an http:// or https:// address"]),
                (
                    json!({"headers": {"a b": "x", "c": "y\nz"}, "content_max_bytes": 0}),
                    &[
                        "content_max_bytes: must be from 1 to 1048576",
                        "headers.a b: is not a header name",
                        "headers.c: contains characters that no header may carry",
                    ],
                ),
                (json!({"site": "x"}), &["site: unknown key"]),
                (json!({"kind": null}), &["kind: is required"]),
                (
                    json!({"kind": "otlp"}),
                    &["kind: must be one of \"otlp_http\", \"aliyun_sls\", \"datadog\", \"object_store\""],
                ),
            ],
        );
    }

    #[test]
    fn log_services_are_at_hosts_of_their_own() {
        trial::table::<ObservabilityExporter>(
            &json!({"name": "o", "kind": "aliyun_sls", "endpoint": "cn-hangzhou.log.aliyuncs.com", "project": "p",
                "logstore": "l", "credential_ref": "main"}),
            &[
                (json!({"content_mode": "full"}), &[]),
                (
                    json!({"endpoint": "https://a.aliyuncs.com", "project": "p.evil.example/"}),
                    &[
                        "endpoint: must be a host under aliyuncs.com, without scheme and path",
                        "project: must be letters, digits and hyphens, a letter or digit first",
                    ],
                ),
                (
                    json!({"endpoint": "aliyuncs.com.evil.example"}),
                    &["endpoint: must be a host under aliyuncs.com, without scheme and path"],
                ),
            ],
        );
        trial::table::<ObservabilityExporter>(
            &json!({"name": "o", "kind": "datadog", "site": "us5.datadoghq.com", "service": "s", "credential_ref": "m"}),
            &[
                (json!({"tags": ["a:b"]}), &[]),
                (
                    json!({"site": "datadoghq.example"}),
                    &[
                        "site: must be one of \"datadoghq.com\", \"us3.datadoghq.com\", \"us5.datadoghq.com\", \
                     \"datadoghq.eu\", \"ap1.datadoghq.com\", \"ap2.datadoghq.com\", \"ddog-gov.com\"",
                    ],
                ),
            ],
        );
    }

    #[test]
    fn an_object_store_needs_a_credential_unless_the_machine_has_one() {
        trial::table::<ObservabilityExporter>(
            &json!({"name": "o", "kind": "object_store", "provider": "s3", "bucket": "b", "prefix": "p"}),
            &[
                (json!({"credential_ref": "main"}), &[]),
                (json!({"auth_mode": "cloud_identity"}), &[]),
                (json!({}), &["credential_ref: is required unless auth_mode is cloud_identity"]),
                (
                    json!({"auth_mode": "cloud_identity", "provider": "azure_blob", "endpoint": "x"}),
                    &[
                        "auth_mode: cloud_identity serves s3 and gcs only",
                        "endpoint: must be an http:// or https:// address",
                    ],
                ),
            ],
        );
    }
}
