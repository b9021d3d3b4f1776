//! An OAuth token endpoint (RFC 6749, section 4.4; RFC 7523): the flows by which Google and Entra give tokens to
//! services. Any credentials will do, if they are there in the flow's form.

use percent_encoding::percent_decode_str;

use super::call::Refusal;
use super::json::{push_number, push_string};

/// A token to be given.
#[derive(Debug)]
pub(super) struct Token {
    /// Entra's answer has a second lifetime.
    extended: bool,
}

/// Reads a token request, a form. Refuses an unknown grant, and one without what belongs to it.
pub(super) fn token(form: &[u8]) -> Result<Token, Refusal> {
    let form = str::from_utf8(form).unwrap_or_default();
    let field = |name: &str| {
        let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(field, _)| *field == name)?;
        let value = value.replace('+', " ");
        Some(percent_decode_str(&value).decode_utf8_lossy().into_owned()).filter(|value| !value.is_empty())
    };
    let needs = |names: &[&str]| match names.iter().find(|name| field(name).is_none()) {
        None => Ok(()),
        Some(name) => Err(invalid(&format!("Missing required parameter: {name}"))),
    };
    if let Some(REFUSED) = field("client_secret").as_deref() {
        return Err(Refusal::new(401, "Invalid client secret provided (simulated).").code("invalid_client"));
    }
    match field("grant_type").as_deref() {
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
            needs(&["assertion"])?;
            match field("assertion").is_some_and(|assertion| is_jwt(&assertion)) {
                true => Ok(Token { extended: false }),
                false => Err(Refusal::new(400, "Invalid JWT: must be three parts.").code("invalid_grant")),
            }
        }
        Some("refresh_token") => {
            needs(&["refresh_token", "client_id"])?;
            Ok(Token { extended: false })
        }
        Some("client_credentials") => {
            needs(&["client_id", "scope"])?;
            match field("client_assertion").is_some() {
                true => needs(&["client_assertion_type"])?,
                false => needs(&["client_secret"])?,
            }
            Ok(Token { extended: true })
        }
        Some(_) => Err(Refusal::new(400, "The grant type is not supported.").code("unsupported_grant_type")),
        None => Err(invalid("Missing required parameter: grant_type")),
    }
}

impl Token {
    /// Appends the answer; the token is made from the request's number.
    pub(super) fn write(&self, serial: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"access_token\":\"sim-token-");
        push_number(out, serial);
        out.extend_from_slice(b"\",\"expires_in\":3599,");
        if self.extended {
            out.extend_from_slice(b"\"ext_expires_in\":3599,");
        }
        out.extend_from_slice(b"\"token_type\":\"Bearer\"}");
    }
}

/// Appends the error of RFC 6749, section 5.2.
pub(super) fn write_error(refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":");
    push_string(out, refusal.code.unwrap_or("temporarily_unavailable"));
    out.extend_from_slice(b",\"error_description\":");
    push_string(out, &refusal.message);
    out.push(b'}');
}

fn is_jwt(assertion: &str) -> bool {
    let parts: Vec<&str> = assertion.split('.').collect();
    let is_base64url = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    parts.len() == 3 && parts.into_iter().all(is_base64url)
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(400, message).code("invalid_request")
}

/// Any other secret is accepted.
const REFUSED: &str = "sk-sim-bad";
