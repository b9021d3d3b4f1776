//! Signatures over requests to AWS, version 4, made by AWS's own crate.
//!
//! Scheme: AWS IAM user guide, "AWS Signature Version 4 for API requests"
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>).

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request};
use aws_sigv4::sign::v4::SigningParams;
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Error, Kind, Result};

/// Who signs.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    pub access_key_id: &'a str,
    pub secret_access_key: &'a str,
    pub session_token: Option<&'a str>,
    pub region: &'a str,
}

/// What is signed: a request as it will be sent.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// With the port, if that is sent.
    pub host: &'a str,
    /// Path and query, percent-encoded: see [`path_segment`].
    pub path: &'a str,
    /// Those that must arrive as they are, without `host`.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// The headers that prove who sent a request to Bedrock and when.
///
/// # Errors
/// `UpstreamCredential`: the request or the credentials cannot be signed with.
pub fn sign(
    signer: &Signer<'_>,
    request: &Request<'_>,
    now: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>> {
    sign_for("bedrock", signer, request, now)
}

/// A text as one segment of a path: the ids of models have colons in them, and their ARNs slashes. The signature is over
/// the path with this encoded once more, as everywhere but in S3.
pub fn path_segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn sign_for(
    service: &str,
    signer: &Signer<'_>,
    request: &Request<'_>,
    now: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let token = signer.session_token.map(str::to_owned);
    let identity =
        Credentials::new(signer.access_key_id, signer.secret_access_key, token, None, "provider key").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(signer.region)
        .name(service)
        .time(now)
        // The path is encoded twice, the session's token is signed, and the body's digest is told by the signature alone.
        .settings(SigningSettings::default())
        .build()
        .map_err(unsigned)?
        .into();
    let url = format!("https://{}{}", request.host, request.path);
    let headers = request.headers.iter().copied().chain([("host", request.host)]);
    let body = SignableBody::Bytes(request.body);
    let signable = SignableRequest::new(request.method, url, headers, body).map_err(unsigned)?;
    let (instructions, _) = sign_request(signable, &params).map_err(unsigned)?.into_parts();
    let header = |(name, value): (&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(unsigned)?;
        let mut value = HeaderValue::from_str(value).map_err(unsigned)?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    instructions.headers().map(header).collect()
}

/// The cause names what is wrong with the form of something and repeats no secret.
fn unsigned(cause: impl std::error::Error) -> Error {
    Error::new(Kind::UpstreamCredential, "the request to this model's provider could not be signed")
        .code("upstream_auth_failed")
        .because(cause)
}

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2015-08-30T12:36:00Z, when AWS's own examples were signed.
    const THEN: Duration = Duration::from_secs(1_440_938_160);
    const SIGNER: Signer<'static> = Signer {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token: None,
        region: "us-east-1",
    };

    fn signed(service: &str, signer: &Signer<'_>, request: &Request<'_>) -> Vec<(String, String)> {
        let headers = sign_for(service, signer, request, SystemTime::UNIX_EPOCH + THEN).expect("signed");
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    fn get(path: &'static str) -> Request<'static> {
        Request { method: "GET", host: "example.amazonaws.com", path, headers: &[], body: b"" }
    }

    /// Cases `get-vanilla`, `get-vanilla-query-order-key-case` and `post-header-key-case` of AWS's test suite for version 4.
    #[test]
    fn amazons_own_examples_are_signed_as_there() {
        let post = Request { method: "POST", ..get("/") };
        let table = [
            (get("/"), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                get("/?Param2=value2&Param1=value1"),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (post, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ];
        for (request, signature) in table {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            let expected = [("x-amz-date", "20150830T123600Z"), ("authorization", &authorization)];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(signed("service", &SIGNER, &request), expected, "{request:?}");
        }
    }
    /// The expected signatures were worked out by hand from the scheme's description, with the path encoded twice.
    #[test]
    fn the_ids_of_models_are_encoded_once_in_the_path_and_twice_in_what_is_signed() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0";
        let table = [
            (
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
                None,
                "7415b2c1e839b363c983fcf2b2b9777726647dd92df0cc0ce218cffeeb8932c8",
            ),
            (
                arn,
                "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0\
                 /converse-stream",
                Some("token+/="),
                "32340a4ef2fac9e6448a6ed63bf4334c81f6a910c305423a97ca940e4c4d5339",
            ),
        ];
        for (id, path, session_token, signature) in table {
            assert!(path.starts_with(&format!("/model/{}/converse", path_segment(id))), "{path}");
            let request = Request {
                method: "POST",
                host: "bedrock-runtime.us-east-1.amazonaws.com",
                path,
                headers: &[("content-type", "application/json")],
                body: br#"{"messages":[]}"#,
            };
            let headers = signed("bedrock", &Signer { session_token, ..SIGNER }, &request);
            let value =
                |name| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            assert!(value("authorization").is_some_and(|value| value.ends_with(signature)), "{headers:?}");
            assert_eq!(value("x-amz-security-token"), session_token);
        }
    }

    #[test]
    fn what_cannot_be_signed_is_the_gateways_fault_and_tells_no_secret() {
        let request = Request { path: "/no path", ..get("/") };
        let error = sign(&SIGNER, &request, SystemTime::UNIX_EPOCH).expect_err("a space in the path");
        assert_eq!(
            (error.kind, error.code.as_deref()),
            (Kind::UpstreamCredential, Some("upstream_auth_failed"))
        );
        assert!(!format!("{error} {error:?}").contains("wJalr"));
    }
}
