//! Who may ask: the keys each vendor wants to see. OpenAI's and Anthropic's own paths take any key, and none;
//! elsewhere a missing key tells of a request signed for somebody else.

use super::call::{Dialect, Refusal};
use super::http::Head;
use super::route::{Platform, Route};

/// Refuses a request without the vendor's key, or with the one key that is always refused.
pub(super) fn check(head: &Head) -> Result<(), Refusal> {
    if matches!(head.route, Route::Live | Route::Unknown | Route::Token) {
        return Ok(());
    }
    if let Platform::Azure { unversioned: true, .. } = head.platform {
        return Err(Refusal::new(404, "Resource not found").code("404"));
    }
    let keys = &head.keys;
    match (head.dialect(), &head.platform) {
        (Dialect::Bedrock, _) if keys.refused => {
            let message = "The security token included in the request is invalid.";
            Err(Refusal::new(403, message).code("UnrecognizedClientException"))
        }
        (Dialect::Bedrock, _) if !keys.aws() => {
            Err(Refusal::new(403, "Missing Authentication Token").code("MissingAuthenticationTokenException"))
        }
        (_, Platform::Vertex(_)) if keys.refused || !keys.bearer => Err(Refusal::new(401, NO_OAUTH_TOKEN)),
        (Dialect::Gemini, Platform::Vendor) if keys.refused => {
            Err(Refusal::new(400, "API key not valid. Please pass a valid API key."))
        }
        (Dialect::Gemini, Platform::Vendor) if !keys.google && !keys.bearer => {
            Err(Refusal::new(403, NO_GOOGLE_KEY))
        }
        (_, Platform::Azure { .. }) if keys.refused || !(keys.azure || keys.bearer) => {
            Err(Refusal::new(401, NO_AZURE_KEY).code("401"))
        }
        _ if keys.refused => Err(Refusal::new(401, "Incorrect API key provided (simulated).")),
        _ => Ok(()),
    }
}

const NO_GOOGLE_KEY: &str = "Method doesn't allow unregistered callers (callers without established identity). \
                             Please use API Key or other form of API consumer identity to call this API.";
const NO_OAUTH_TOKEN: &str = "Request had invalid authentication credentials. Expected OAuth 2 access token, login \
                              cookie or other valid authentication credential.";
const NO_AZURE_KEY: &str = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide \
                            a valid key for an active subscription and use a correct regional API endpoint for your \
                            resource.";
