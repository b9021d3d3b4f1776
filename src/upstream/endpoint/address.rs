//! Where an endpoint is: the address an operator gave, put straight, or the vendor's own.

use http::{HeaderValue, Uri};

use super::choice::Choice;
use crate::dialect::DialectId;
use crate::error::{Error, Kind, Result};
use crate::upstream::credential::{Document, Key};
use crate::upstream::providers::Layout;

/// Host, port and path of a URL.
pub struct Address {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    pub authority: HeaderValue,
    /// Without a slash at its end.
    pub path: String,
}

impl Address {
    /// The root of the preferred format.
    ///
    /// # Errors
    /// The address is missing or none.
    pub fn of(choice: &Choice, base: Option<&str>, key: &Key) -> Result<Self> {
        let base = match base {
            Some(base) => base.to_owned(),
            None => default_base(choice, key)?,
        };
        match choice.row.layout {
            Layout::Plain => Address::parse(&root_of(choice.preferred.dialect, &base)),
            Layout::Azure => Address::parse(&azure_root(&base)),
            Layout::Vertex => {
                let address = Address::parse(base.trim_end_matches('/'))?;
                match address.path.is_empty() {
                    true => Ok(address),
                    false => Err(Error::new(
                        Kind::NoProvider,
                        "this model's provider key has an api_base with a path, which Vertex AI has not",
                    )),
                }
            }
        }
    }

    pub fn parse(root: &str) -> Result<Self> {
        let bad = || {
            Error::new(
                Kind::NoProvider,
                "this model's provider key has an api_base that is not an http(s) URL",
            )
        };
        let uri: Uri = root.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(bad());
        }
        Ok(Address {
            tls,
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| bad())?,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// The vendor's own address. A key labelled with one vendor is never sent to another vendor's host.
fn default_base(choice: &Choice, key: &Key) -> Result<String> {
    let base = match key {
        Key::Document(Document::Aws(aws)) => Some(bedrock_host(&aws.region)),
        Key::Document(Document::Google(google)) => Some(vertex_host(&google.region)),
        _ => choice.base(),
    };
    base.ok_or_else(|| {
        Error::bad_request("this model's provider key has no api_base, and its provider has no default one")
    })
}

/// <https://docs.aws.amazon.com/general/latest/gr/bedrock.html>
fn bedrock_host(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://bedrock-runtime.{region}.{domain}")
}

/// <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations>
fn vertex_host(region: &str) -> String {
    match region {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("https://aiplatform.{region}.rep.googleapis.com"),
        region => format!("https://{region}-aiplatform.googleapis.com"),
    }
}

/// The name of a resource, or the root of its APIs.
fn azure_root(base: &str) -> String {
    let base = base.trim_end_matches('/');
    let is_name = !base.is_empty() && base.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_name {
        return format!("https://{base}.openai.azure.com");
    }
    let pasted = ["/chat/completions", "/responses", "/v1/messages"];
    let root = pasted.iter().find_map(|suffix| base.strip_suffix(suffix)).unwrap_or(base);
    // Of a deployment, what stands before it.
    let root = root.split("/openai/deployments").next().unwrap_or(root);
    root.strip_suffix("/openai").unwrap_or(root).trim_end_matches('/').to_owned()
}

/// The root of the API. A pasted endpoint path is cut off; the bare hosts of OpenAI and, of Gemini, any bare host get
/// their version; nothing is invented for others.
pub fn root_of(dialect: DialectId, base: &str) -> String {
    let mut root = base.trim_end_matches('/');
    let suffixes: &[&str] = match dialect {
        DialectId::OpenAiChat | DialectId::Responses => &[
            "/chat/completions",
            "/completions",
            "/responses",
            "/embeddings",
            "/images/generations",
            "/audio/speech",
            "/audio/transcriptions",
            "/audio/translations",
        ],
        DialectId::Anthropic => &["/v1/messages", "/v1"],
        DialectId::Gemini => &["/models"],
        DialectId::Bedrock => &["/model"],
    };
    if let Some(cut) = suffixes.iter().find_map(|suffix| root.strip_suffix(suffix)) {
        root = cut.trim_end_matches('/');
    }
    let bare = root.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
    match root {
        "https://api.openai.com" | "http://api.openai.com" => format!("{root}/v1"),
        other if bare && dialect == DialectId::Gemini => format!("{other}/v1beta"),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_addresses_are_normalised_once_for_all_routes() {
        let cases = [
            (DialectId::OpenAiChat, "https://api.openai.com", "https://api.openai.com/v1"),
            (DialectId::OpenAiChat, "https://api.openai.com/v1/", "https://api.openai.com/v1"),
            (
                DialectId::OpenAiChat,
                "https://api.openai.com/v1/chat/completions",
                "https://api.openai.com/v1",
            ),
            (DialectId::Responses, "https://api.openai.com/v1/responses", "https://api.openai.com/v1"),
            (DialectId::OpenAiChat, "http://vllm:8000", "http://vllm:8000"),
            (DialectId::OpenAiChat, "http://vllm:8000/v1//", "http://vllm:8000/v1"),
            (DialectId::Anthropic, "https://api.anthropic.com/v1/messages", "https://api.anthropic.com"),
            (DialectId::Anthropic, "https://api.anthropic.com/v1", "https://api.anthropic.com"),
            (DialectId::Anthropic, "https://proxy.example/anthropic/", "https://proxy.example/anthropic"),
            (DialectId::Gemini, "https://gemini.example", "https://gemini.example/v1beta"),
            (DialectId::Gemini, "https://gemini.example/v1beta/", "https://gemini.example/v1beta"),
        ];
        for (dialect, base, root) in cases {
            assert_eq!(root_of(dialect, base), root, "{base}");
        }
    }

    #[test]
    fn an_azure_resource_may_be_its_name_or_any_of_its_addresses() {
        let cases = [
            ("my-res", "https://my-res.openai.azure.com"),
            ("https://my-res.openai.azure.com/", "https://my-res.openai.azure.com"),
            ("https://my-res.openai.azure.com/openai", "https://my-res.openai.azure.com"),
            ("https://x.example/openai/deployments/d/chat/completions", "https://x.example"),
            ("https://x.example/openai/v1/", "https://x.example/openai/v1"),
            ("https://x.example/openai/v1/responses", "https://x.example/openai/v1"),
        ];
        for (base, root) in cases {
            assert_eq!(azure_root(base), root, "{base}");
        }
    }

    #[test]
    fn an_address_gives_host_port_and_authority() {
        let address = Address::parse("http://[::1]:8000/v1").expect("a URL");
        assert_eq!((address.host.as_str(), address.port, address.tls), ("::1", 8000, false));
        assert_eq!(address.authority, "[::1]:8000");
        assert_eq!(address.path, "/v1");
        for bad in ["ftp://x", "https://user:pw@host", "not a url", "https://"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
