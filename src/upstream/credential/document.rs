//! Keys that are JSON documents: what each kind must say.
//!
//! An error names the member that is missing or wrong and never repeats what the document says.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::refused;
use crate::document::Secret;
use crate::error::{Error, Result};

/// A key with several parts.
#[derive(Debug)]
pub enum Document {
    Aws(Aws),
    Google(Google),
    Entra(Entra),
}

/// Credentials of an AWS principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aws {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
    pub region: String,
}

/// A Google Cloud project, and how to be let in.
#[derive(Debug)]
pub struct Google {
    pub project: String,
    pub region: String,
    pub access: GoogleAccess,
}

pub enum GoogleAccess {
    /// Made elsewhere; sent for as long as it lasts.
    Token(String),
    Account(ServiceAccount),
}

impl std::fmt::Debug for GoogleAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// <https://developers.google.com/identity/protocols/oauth2/service-account>
#[derive(Debug)]
pub struct ServiceAccount {
    pub client_email: String,
    /// PKCS8 in PEM.
    pub private_key: Secret,
    pub private_key_id: Option<String>,
    pub token_uri: String,
}

/// An application of Microsoft Entra.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow>
#[derive(Debug)]
pub struct Entra {
    pub client_id: String,
    pub client_secret: Secret,
    pub token_uri: String,
    pub scope: String,
}

impl Document {
    /// `{access_key_id, secret_access_key, region, session_token?}`
    pub fn aws(text: &str) -> Result<Self> {
        let members = Members::read(text)?;
        Ok(Document::Aws(Aws {
            access_key_id: members.text("access_key_id")?,
            secret_access_key: Secret::new(members.text("secret_access_key")?),
            session_token: members.optional("session_token")?.map(Secret::new),
            region: region(&members)?,
        }))
    }

    /// `{project, region, access_token}` or `{project, region, service_account_json}`.
    pub fn google(text: &str) -> Result<Self> {
        let members = Members::read(text)?;
        let region = region(&members)?;
        let account = members.0.get("service_account_json").filter(|account| !account.is_null());
        let (access, own_project) = match (members.optional("access_token")?, account) {
            (Some(token), None) => (GoogleAccess::Token(token), None),
            (None, Some(account)) => {
                let account = Members::nested("service_account_json", account)?;
                (GoogleAccess::Account(account.service_account()?), account.optional("project_id")?)
            }
            _ => return Err(wrong("must have exactly one of access_token and service_account_json")),
        };
        let project = match (members.optional("project")?, own_project) {
            (Some(project), _) | (None, Some(project)) => place("project", project)?,
            (None, None) => return Err(wrong("has no project")),
        };
        Ok(Document::Google(Google { project, region, access }))
    }

    /// `{tenant_id, client_id, client_secret, authority_host?, scope?}`
    pub fn entra(text: &str) -> Result<Self> {
        let members = Members::read(text)?;
        let tenant = place("tenant_id", members.text("tenant_id")?)?;
        let host = members.optional("authority_host")?.unwrap_or_else(|| ENTRA.to_owned());
        Ok(Document::Entra(Entra {
            client_id: members.text("client_id")?,
            client_secret: Secret::new(members.text("client_secret")?),
            token_uri: format!("{}/{tenant}/oauth2/v2.0/token", host.trim_end_matches('/')),
            scope: members.optional("scope")?.unwrap_or_else(|| COGNITIVE_SERVICES.to_owned()),
        }))
    }
}

/// The members of a document, with where they stand in it.
struct Members(Map<String, Value>, &'static str);

impl Members {
    fn read(text: &str) -> Result<Self> {
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Ok(Members(members, "")),
            Ok(_) => Err(wrong("is not a JSON object")),
            // Line and column, and not what stands there.
            Err(error) => {
                Err(wrong(format!("is not JSON at line {} column {}", error.line(), error.column())))
            }
        }
    }

    /// An object in the document, or one that is written as a text.
    fn nested(name: &'static str, value: &Value) -> Result<Self> {
        let members = match value {
            Value::Object(members) => Some(members.clone()),
            Value::String(text) => serde_json::from_str(text).ok(),
            _ => None,
        };
        members
            .map(|members| Members(members, name))
            .ok_or_else(|| wrong(format!("has a {name} that is not an object")))
    }

    fn optional(&self, name: &str) -> Result<Option<String>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(wrong(format!("has a {} that is not a text", self.path(name)))),
        }
    }

    fn text(&self, name: &str) -> Result<String> {
        self.optional(name)?.ok_or_else(|| wrong(format!("has no {}", self.path(name))))
    }

    fn path(&self, name: &str) -> String {
        if self.1.is_empty() { name.to_owned() } else { format!("{}.{name}", self.1) }
    }

    fn service_account(&self) -> Result<ServiceAccount> {
        Ok(ServiceAccount {
            client_email: self.text("client_email")?,
            private_key: Secret::new(self.text("private_key")?),
            private_key_id: self.optional("private_key_id")?,
            token_uri: self.optional("token_uri")?.unwrap_or_else(|| GOOGLE.to_owned()),
        })
    }
}

/// It becomes a part of a host name.
fn region(members: &Members) -> Result<String> {
    made_of(|byte| byte.is_ascii_alphanumeric() || byte == b'-', "region", members.text("region")?)
}

/// A name that becomes a part of a path.
fn place(name: &str, text: String) -> Result<String> {
    made_of(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'), name, text)
}

fn made_of(allowed: fn(u8) -> bool, name: &str, text: String) -> Result<String> {
    match text.bytes().all(allowed) && !text.contains("..") {
        true => Ok(text),
        false => Err(wrong(format!("has a {name} with characters that no {name} has"))),
    }
}

/// What is wrong is for the operator; a caller learns that the key is.
pub fn wrong(what: impl Display) -> Error {
    refused("the provider key of this model cannot be used").because(format!("api_key {what}"))
}

const ENTRA: &str = "https://login.microsoftonline.com";
const COGNITIVE_SERVICES: &str = "https://cognitiveservices.azure.com/.default";
const GOOGLE: &str = "https://oauth2.googleapis.com/token";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_what_is_wrong_with_it_and_nothing_that_is_in_it() {
        type Reader = fn(&str) -> Result<Document>;
        let cases: &[(Reader, &str, &str)] = &[
            (Document::aws, "{\"region\": hunter2}", "api_key is not JSON at line 1 column 12"),
            (Document::aws, "[\"hunter2\"]", "api_key is not a JSON object"),
            (Document::aws, r#"{"access_key_id": "hunter2"}"#, "api_key has no secret_access_key"),
            (
                Document::aws,
                r#"{"access_key_id": "a", "secret_access_key": "b", "region": "hunter2.evil/x"}"#,
                "api_key has a region with characters that no region has",
            ),
            (Document::entra, r#"{"tenant_id": 7}"#, "api_key has a tenant_id that is not a text"),
            (Document::google, r#"{"project": "p"}"#, "api_key has no region"),
            (
                Document::google,
                r#"{"project": "p", "region": "r"}"#,
                "api_key must have exactly one of access_token and service_account_json",
            ),
            (
                Document::google,
                r#"{"project": "p", "region": "r", "service_account_json": {"private_key": "hunter2"}}"#,
                "api_key has no service_account_json.client_email",
            ),
            (Document::google, r#"{"region": "r", "access_token": "hunter2"}"#, "api_key has no project"),
        ];
        for (read, text, expected) in cases {
            let error = read(text).expect_err(text);
            assert_eq!(error.cause.as_deref(), Some(*expected));
            assert_eq!((error.status(), error.code.as_deref()), (502, Some("upstream_auth_failed")));
        }
    }

    #[test]
    fn a_service_account_may_be_a_text_and_brings_its_project() {
        let account = r#"{"client_email": "a@b", "private_key": "k", "project_id": "own"}"#;
        let text = serde_json::json!({"region": "global", "service_account_json": account}).to_string();
        let Document::Google(google) = Document::google(&text).expect("sound") else {
            panic!("no Google key")
        };
        assert_eq!((google.project.as_str(), google.region.as_str()), ("own", "global"));
        assert!(matches!(google.access, GoogleAccess::Account(account) if account.token_uri == GOOGLE));
    }

    #[test]
    fn an_entra_application_has_its_tenants_token_endpoint() {
        let text = r#"{"tenant_id": "t", "client_id": "c", "client_secret": "s"}"#;
        let Document::Entra(entra) = Document::entra(text).expect("sound") else { panic!("no Entra key") };
        assert_eq!(entra.token_uri, "https://login.microsoftonline.com/t/oauth2/v2.0/token");
        assert_eq!(entra.scope, COGNITIVE_SERVICES);
        assert!(!format!("{entra:?}").contains("\"s\""));
    }
}
